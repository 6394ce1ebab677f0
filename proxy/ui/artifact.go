package ui

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/client"
)

// The bounds of what is shown of an artifact.
const (
	// MaxDocument is how large a file of an artifact may be to be shown, in bytes.
	MaxDocument = 8 << 20
	// shownText is how many bytes of a document are shown as text.
	shownText = 128 << 10
	// shownEntries is how many packages or findings a page shows.
	shownEntries = 100
	// shownSubjects is how many subjects, materials and statements are shown.
	shownSubjects = 50
)

// artifactPage is what is inside an artifact.
type artifactPage struct {
	Repository   string        `json:"repository"`
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Subject      digest.Digest `json:"subject,omitempty"`
	Judgement    *Judgement    `json:"judgement,omitempty"`
	Annotations  pairs         `json:"annotations"`
	// Files are its blobs, of which one is shown.
	Files []blobRow `json:"files"`
	More  int       `json:"more,omitempty"`
	// Chosen is the number of the one that is shown, from 1; Shown is nil where it has
	// none.
	Chosen int       `json:"chosen"`
	Shown  *document `json:"shown,omitempty"`
}

// PageTitle implements titled.
func (p *artifactPage) PageTitle() string {
	return p.Kind + " " + shortDigest(p.Digest) + " · " + p.Repository
}

// artifactPage shows what is inside an artifact.
func (v *visit) artifactPage() (any, error) {
	ctx := v.request.Context()
	m, err := v.repo.Manifest(ctx, v.about)
	if err != nil {
		return nil, err
	}
	contents, err := m.Contents()
	if err != nil {
		return nil, err
	}
	page := &artifactPage{
		Repository: v.name, Digest: m.Digest, Kind: client.Describe(m.Descriptor()), ArtifactType: m.ArtifactType, Subject: m.Subject(),
		Annotations: pairsOf(m.Annotations, shownAnnotations),
	}
	page.Files, page.More = layerRows(contents)
	file, number, err := v.chosen(contents)
	if err != nil {
		return nil, err
	}
	page.Chosen = number
	if number > 0 {
		if page.Shown, err = v.document(ctx, file); err != nil {
			return nil, err
		}
		page.Shown.Command = "oras blob fetch --output file " + v.reference(file.Digest)
		page.Shown.Download = number
	}
	if m.Subject() != "" {
		it := newItem(client.Referrer{Descriptor: m.Descriptor()})
		v.judge(ctx, m.Subject(), it)
		page.Judgement = it.Judgement
	}
	return page, nil
}

// chosen returns the file that the query names by its number, else the first one, and
// its number; 0 where there is none.
func (v *visit) chosen(contents client.Contents) (file ocispec.Descriptor, number int, err error) {
	files := append(append([]ocispec.Descriptor{}, contents.Layers...), contents.Blobs...)
	number = 1
	if text := v.request.URL.Query().Get("file"); text != "" {
		if number, err = strconv.Atoi(text); err != nil || number < 1 || number > len(files) {
			return file, 0, invalidError("The artifact has no file of that number.")
		}
	}
	if len(files) == 0 {
		return file, 0, nil
	}
	return files[number-1], number, nil
}

// document is a file of an artifact, as far as it is shown.
type document struct {
	// Trouble says why it isn't shown.
	Trouble string          `json:"trouble,omitempty"`
	Format  artifact.Format `json:"format,omitempty"`
	// Called is the format in words.
	Called  string `json:"called,omitempty"`
	Version string `json:"version,omitempty"`

	SBOM       *packageList         `json:"sbom,omitempty"`
	Report     *findingList         `json:"report,omitempty"`
	Statements []artifact.Statement `json:"statements,omitempty"`
	Envelope   *artifact.Envelope   `json:"envelope,omitempty"`
	Bundle     *artifact.Bundle     `json:"bundle,omitempty"`
	Signed     *artifact.Signed     `json:"signed,omitempty"`

	// Text is the document for people, Payload what an envelope holds.
	Text    string `json:"text,omitempty"`
	Payload string `json:"payload,omitempty"`
	// Cut says what is left out, Doubts where readers may disagree.
	Cut    []string `json:"cut,omitempty"`
	Doubts []string `json:"doubts,omitempty"`
	// Command gets the file; Download is its number, 0 where it is too large.
	Command  string `json:"command,omitempty"`
	Download int    `json:"-"`
}

// document reads a file of an artifact.
func (v *visit) document(ctx context.Context, file ocispec.Descriptor) (*document, error) {
	if strings.HasPrefix(file.MediaType, "application/vnd.oci.image.layer.") || strings.HasPrefix(file.MediaType, "application/vnd.docker.image.rootfs.") {
		return &document{Trouble: "It is a layer of files, which is not looked into.", Format: artifact.Archive, Called: called(artifact.Archive)}, nil
	}
	body, err := v.repo.SmallBlob(ctx, file, MaxDocument)
	if err != nil {
		d := &document{Trouble: troubleOf(err)}
		if file.Size > MaxDocument {
			d.Trouble = fmt.Sprintf("It has %s; no more than %s are shown here.", sizeText(file.Size), sizeText(MaxDocument))
		}
		return d, nil
	}
	read := artifact.Read(file.MediaType, body)
	d := &document{
		Format: read.Format, Called: called(read.Format), Version: read.Version,
		Envelope: read.Envelope, Bundle: read.Bundle, Signed: read.Signed, Cut: read.Cut, Doubts: read.Doubts,
		Text: clipped(read.Pretty, shownText), Payload: clipped(read.Payload, shownText),
	}
	if len(read.Pretty) > shownText || len(read.Payload) > shownText {
		d.Cut = append(d.Cut, fmt.Sprintf("%d bytes of the text are shown", shownText))
	}
	if read.Format == artifact.Archive || read.Format == artifact.Binary {
		d.Trouble = "It is not text, and not looked into."
	}
	d.addStatements(read.Statements)
	query := v.request.URL.Query()
	if read.SBOM != nil {
		if d.SBOM, err = newPackageList(read.SBOM, query); err != nil {
			return nil, err
		}
	}
	if read.Report != nil {
		if d.Report, err = newFindingList(read.Report, query); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addStatements adds what is shown of statements.
func (d *document) addStatements(all []artifact.Statement) {
	for i, s := range all {
		if i == shownSubjects {
			d.Cut = append(d.Cut, fmt.Sprintf("%d of %d statements are shown", shownSubjects, len(all)))
			return
		}
		if len(s.Subjects) > shownSubjects {
			d.Cut = append(d.Cut, fmt.Sprintf("%d of %d subjects are shown", shownSubjects, len(s.Subjects)))
			s.Subjects = s.Subjects[:shownSubjects]
		}
		if p := s.Provenance; p != nil && len(p.Materials) > shownSubjects {
			d.Cut = append(d.Cut, fmt.Sprintf("%d of %d materials are shown", shownSubjects, len(p.Materials)))
			few := *p
			few.Materials = few.Materials[:shownSubjects]
			s.Provenance = &few
		}
		d.Statements = append(d.Statements, s)
	}
}

// called returns a format in words.
func called(format artifact.Format) string {
	for _, known := range []struct {
		format artifact.Format
		words  string
	}{
		{artifact.SPDXJSON, "SPDX SBOM"}, {artifact.SPDXText, "SPDX SBOM (tag-value)"},
		{artifact.CycloneDXJSON, "CycloneDX SBOM"}, {artifact.CycloneDXXML, "CycloneDX SBOM (XML, shown as text)"},
		{artifact.SyftJSON, "Syft SBOM"}, {artifact.InToto, "in-toto statement"}, {artifact.DSSE, "DSSE envelope"},
		{artifact.Sigstore, "Sigstore bundle"}, {artifact.SARIF, "SARIF report"}, {artifact.Trivy, "Trivy report"},
		{artifact.Grype, "Grype report"}, {artifact.OpenVEX, "OpenVEX statement"},
		{artifact.SimpleSigning, "payload of a cosign signature"}, {artifact.NotationJWS, "notation signature (JWS)"},
		{artifact.NotationCOSE, "notation signature (COSE)"}, {artifact.JSON, "JSON"}, {artifact.Text, "text"},
		{artifact.Archive, "archive"}, {artifact.Binary, "binary data"},
	} {
		if known.format == format {
			return known.words
		}
	}
	return string(format)
}
