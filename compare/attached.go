package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// maxRead is how many of the artifacts that are attached to one manifest are looked
// into, the newest first, and maxLayers how many documents of one.
const (
	maxRead   = 64
	maxLayers = 16
)

// Annotations by which tools say what kind of statement an attestation is: on its
// manifest (Sigstore, in-toto) or on the layer that holds it.
const (
	annotationBundlePredicate = "dev.sigstore.bundle.predicateType"
	annotationInToto          = "in-toto.io/predicate-type"
)

// attached is what is attached to one manifest.
type attached struct {
	things []thing
	// sboms are those among them, by the family of their formats.
	sboms sboms
}

// thing is one attached artifact, or one statement of it.
type thing struct {
	artifactType, predicate string
	described               oci.Descriptor
}

// noSBOM reports whether there is none, read or not.
func (a attached) noSBOM() bool { return len(a.sboms) == 0 }

// gather reads what refers to a manifest, and the attestations beside it.
func (s *side) gather(ctx context.Context, subject client.Manifest, beside []client.Manifest, ofIndex bool) (attached, error) {
	newest := index.Query{Order: index.Order{By: index.SortCreated, Descending: true}, Legacy: true}
	listed, err := s.From.Referrers(ctx, subject.Digest, newest)
	if err != nil {
		return attached{}, err
	}
	found := attached{sboms: sboms{}}
	looked := 0
	for _, d := range listed {
		predicate := predicateOf(d.Annotations)
		family := familyOf(d.ArtifactType, predicate)
		into := opaque(d.ArtifactType, predicate) || family != "" && !found.sboms.has(family)
		if into {
			looked++
		}
		if looked > maxRead {
			s.leave("what is attached to "+subject.Digest.String(), "", fmt.Sprintf("%d of them are looked into, the newest first", maxRead))
			into = false
		}
		if !into {
			found.things = append(found.things, thing{d.ArtifactType, predicate, d})
			continue
		}
		if err := s.fetch(ctx, &found, d, predicate, ofIndex); err != nil {
			return attached{}, err
		}
	}
	for _, m := range beside {
		d := m.Descriptor()
		// Its config is one of an image.
		d.ArtifactType = typeBuildKit
		if err := s.look(ctx, &found, m, d, "", ofIndex); err != nil {
			return attached{}, err
		}
	}
	return found, nil
}

// fetch looks into an artifact that is listed.
func (s *side) fetch(ctx context.Context, found *attached, d oci.Descriptor, predicate string, ofIndex bool) error {
	m, _, err := s.From.Entry(ctx, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
	switch {
	case errors.Is(err, client.ErrNotFound):
		s.leave("artifact that is listed", d.Digest, "the registry has it not")
		found.things = append(found.things, thing{d.ArtifactType, predicate, d})
		return nil
	case err != nil:
		return err
	}
	return s.look(ctx, found, m, d, predicate, ofIndex)
}

// typeBuildKit is how an attestation manifest of BuildKit is called that has no type
// of its own.
const typeBuildKit = "application/vnd.docker.attestation.manifest.v1+json"

// looking is the look into one artifact.
type looking struct {
	*side
	found *attached
	// listed is the artifact as it is listed, predicate the kind of its statement where
	// that is told there.
	listed    oci.Descriptor
	predicate string
	ofIndex   bool
	// expected are the families of SBOMs that it should hold.
	expected []string
}

// look looks into an artifact: at the kinds of its statements, and for SBOMs. cosign
// appends what is newer, so the last document is the first that is looked at.
func (s *side) look(ctx context.Context, found *attached, m client.Manifest, d oci.Descriptor, predicate string, ofIndex bool) error {
	contents, err := m.Contents()
	if err != nil {
		return err
	}
	layers := slices.Concat(contents.Layers, contents.Blobs)
	slices.Reverse(layers)
	if len(layers) > maxLayers {
		s.leave("documents of an artifact", d.Digest, fmt.Sprintf("%d of %d are looked at", maxLayers, len(layers)))
		layers = layers[:maxLayers]
	}
	l := looking{side: s, found: found, listed: d, predicate: predicate, ofIndex: ofIndex}
	l.expect(familyOf(d.ArtifactType, predicate))
	var predicates []string
	for _, layer := range layers {
		said, err := l.layer(ctx, layer)
		if err != nil {
			return err
		}
		predicates = append(predicates, said...)
	}
	if len(predicates) == 0 {
		predicates = []string{predicate}
	}
	for _, p := range predicates {
		found.things = append(found.things, thing{d.ArtifactType, p, d})
	}
	l.end()
	return nil
}

// expect notes that an SBOM should be found.
func (l *looking) expect(family string) {
	if family != "" && !l.found.sboms.has(family) && !slices.Contains(l.expected, family) {
		l.expected = append(l.expected, family)
	}
}

// end notes which of the SBOMs were not found that should be there. An older one is
// not taken in the place of such.
func (l *looking) end() {
	for _, one := range l.found.sboms {
		if one.document.Manifest == l.listed.Digest {
			return
		}
	}
	for _, family := range l.expected {
		l.leave("SBOM", l.listed.Digest, "none is found in what should hold one")
		l.found.sboms.add(family, sbom{document: Document{Manifest: l.listed.Digest}})
	}
}

// layer looks at one document of the artifact, and returns the kinds of its
// statements where the document or its layer tells them.
func (l *looking) layer(ctx context.Context, layer ocispec.Descriptor) ([]string, error) {
	told := predicateOf(layer.Annotations)
	kind := cmp.Or(told, l.predicate)
	family := familyOf(cmp.Or(plainType(layer.MediaType), l.listed.ArtifactType), kind)
	var said []string
	if told != "" {
		said = []string{told}
		l.expect(family)
	}
	if !opaque(l.listed.ArtifactType, kind) && (family == "" || l.found.sboms.has(family)) {
		return said, nil
	}
	source := Document{Manifest: l.listed.Digest, Digest: layer.Digest, Index: l.ofIndex}
	read, err := l.document(ctx, layer, family)
	switch {
	case err != nil:
		return nil, err
	case read == nil && family != "":
		l.found.sboms.add(family, sbom{document: source})
		return said, nil
	case read == nil:
		return said, nil
	}
	if kind == "" {
		for _, statement := range read.Statements {
			said = append(said, statement.PredicateType)
		}
	}
	if found := read.SBOM; found != nil {
		source.Format, source.Name, source.Created, source.Tools = found.Format, found.Name, found.Created, found.Tools
		source.Packages, source.Cut, source.Doubts = found.Total, cutOf(read.Cut), read.Doubts
		l.found.sboms.add(familyOfFormat(found.Format), sbom{document: source, read: found})
	}
	return said, nil
}

// document reads a document of which only a few are in memory at once; nil where it
// can't be read.
func (s *side) document(ctx context.Context, layer ocispec.Descriptor, family string) (*artifact.Document, error) {
	select {
	case s.of.documents <- struct{}{}:
		defer func() { <-s.of.documents }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	what := "attestation"
	if family != "" {
		what = "SBOM"
	}
	body, err := s.blob(ctx, what, layer)
	if body == nil || err != nil {
		return nil, err
	}
	read := artifact.Read(layer.MediaType, body)
	read.Pretty, read.Payload = "", ""
	return &read, nil
}

// cutOf leaves out what is cut of texts that are not compared.
func cutOf(cut []string) []string {
	return slices.DeleteFunc(cut, func(what string) bool { return strings.HasSuffix(what, "of the text are shown") })
}

// predicateOf returns the kind of a statement by annotations.
func predicateOf(annotations map[string]string) string {
	return cmp.Or(annotations[annotationBundlePredicate], annotations[annotationInToto], annotations[index.AnnotationPredicateType])
}

// opaque reports whether only the document of an artifact tells what it says: it is
// an attestation, and nothing beside it tells of which kind.
func opaque(artifactType, predicate string) bool {
	if predicate != "" {
		return false
	}
	for _, prefix := range []string{
		index.TypeCosignAttestation, "application/vnd.dev.sigstore.bundle", "application/vnd.in-toto", "application/vnd.dsse.envelope", typeBuildKit,
	} {
		if strings.HasPrefix(artifactType, prefix) {
			return true
		}
	}
	return artifactType == index.TypeCosignSBOM
}

// kinds counts what is attached by its kind.
func kinds(a, b attached) []Kind {
	counted := map[Kind]*Kind{}
	for i, things := range [][]thing{a.things, b.things} {
		for _, t := range things {
			key := Kind{What: t.what(), ArtifactType: t.artifactType, Predicate: t.predicate}
			if counted[key] == nil {
				kind := key
				counted[key] = &kind
			}
			if i == 0 {
				counted[key].A++
			} else {
				counted[key].B++
			}
		}
	}
	var all []Kind
	for _, kind := range counted {
		all = append(all, *kind)
	}
	slices.SortFunc(all, func(a, b Kind) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.ArtifactType, b.ArtifactType), strings.Compare(a.Predicate, b.Predicate))
	})
	return all
}

// what says in words what a thing is.
func (t thing) what() string {
	if t.predicate == "" {
		return client.Describe(oci.Descriptor{MediaType: t.described.MediaType, ArtifactType: t.artifactType})
	}
	return client.Describe(oci.Descriptor{MediaType: t.described.MediaType, ArtifactType: t.artifactType, Annotations: map[string]string{annotationInToto: t.predicate}})
}

// sameKinds reports whether both have as many of each kind.
func sameKinds(all []Kind) bool {
	return !slices.ContainsFunc(all, func(k Kind) bool { return k.A != k.B })
}
