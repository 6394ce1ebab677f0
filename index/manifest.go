package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	// The algorithms that a digest may name are those linked in.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// ErrManifest marks bytes that cannot be read as a manifest of the media type
// they were given with.
var ErrManifest = errors.New("not a valid manifest")

// EdgeKind says in which field a manifest names another digest.
type EdgeKind uint8

// The kinds of edges. The numbers are part of the stored format.
const (
	EdgeSubject  EdgeKind = 1
	EdgeConfig   EdgeKind = 2
	EdgeLayer    EdgeKind = 3
	EdgeManifest EdgeKind = 4
	EdgeBlob     EdgeKind = 5
)

// String returns the kind as the API and logs spell it.
func (k EdgeKind) String() string {
	switch k {
	case EdgeSubject:
		return "subject"
	case EdgeConfig:
		return "config"
	case EdgeLayer:
		return "layer"
	case EdgeManifest:
		return "manifest"
	case EdgeBlob:
		return "blob"
	default:
		return fmt.Sprintf("kind-%d", uint8(k))
	}
}

// MarshalText writes the kind as [EdgeKind.String] does.
func (k EdgeKind) MarshalText() ([]byte, error) {
	return marshalKind(k, EdgeSubject, EdgeBlob)
}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (k *EdgeKind) UnmarshalText(text []byte) error {
	return unmarshalKind(k, text, EdgeSubject, EdgeBlob)
}

// Edge is one manifest naming another digest.
type Edge struct {
	Kind   EdgeKind      `json:"kind"`
	Target digest.Digest `json:"target"`
}

// Manifest is what the index keeps of a manifest's own bytes.
type Manifest struct {
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	// Size is that of the manifest in bytes.
	Size int64 `json:"size"`
	// ArtifactType is the manifest's, else an image manifest's
	// config.mediaType, else empty (image-spec, "Listing Referrers").
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// Edges are in the order of the manifest, the subject first, without
	// duplicates.
	Edges []Edge `json:"edges,omitempty"`
}

// Subject returns the digest of the manifest that this one refers to, or ""
// where it refers to none.
func (m Manifest) Subject() digest.Digest {
	if len(m.Edges) > 0 && m.Edges[0].Kind == EdgeSubject {
		return m.Edges[0].Target
	}
	return ""
}

// Descriptor returns the entry by which a referrers listing shows m.
func (m Manifest) Descriptor() oci.Descriptor {
	return oci.Descriptor{
		MediaType:    m.MediaType,
		Digest:       m.Digest,
		Size:         m.Size,
		ArtifactType: m.ArtifactType,
		Annotations:  m.Annotations,
	}
}

// document is the union of the manifest formats that registries hold: OCI
// image manifest and index, Docker schema 2 manifest and list, the retired OCI
// and ORAS artifact manifests (blobs) and Docker schema 1 (fsLayers).
type document struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *target           `json:"config"`
	Layers       []target          `json:"layers"`
	Manifests    []target          `json:"manifests"`
	Blobs        []target          `json:"blobs"`
	Subject      *target           `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
	FSLayers     []struct {
		BlobSum digest.Digest `json:"blobSum"`
	} `json:"fsLayers"`
}

// target is the part of a descriptor that an edge needs.
type target struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
}

// ParseManifest is [ManifestLimits.Parse] without limits.
func ParseManifest(mediaType string, algorithm digest.Algorithm, body []byte) (Manifest, error) {
	return ManifestLimits{}.Parse(mediaType, algorithm, body)
}

// Parse reads the manifest that body holds. The media type is the one that the
// manifest was sent with, parameters allowed; where it is empty, the
// manifest's own is taken. The digest is that of body under algorithm.
//
// It fails with an error that matches [ErrManifest] when body is not a JSON
// object of the expected shape, contradicts the media type, or names a digest
// that is malformed, or when an algorithm is not known. The error matches
// [strictjson.ErrSyntax], [strictjson.ErrAmbiguous] or [strictjson.ErrLimit]
// too where others may yet read a manifest there.
func (l ManifestLimits) Parse(mediaType string, algorithm digest.Algorithm, body []byte) (Manifest, error) {
	if !algorithm.Available() {
		return Manifest{}, fmt.Errorf("%w: digest algorithm %q is not known", ErrManifest, algorithm)
	}
	if err := l.check(body); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	// A null would be taken for an object without fields.
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return Manifest{}, fmt.Errorf("%w: not a JSON object", ErrManifest)
	}
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	mediaType, err := effectiveMediaType(mediaType, doc.MediaType)
	if err != nil {
		return Manifest{}, err
	}
	if err := doc.oneKind(mediaType); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w: %w", ErrManifest, strictjson.ErrAmbiguous, err)
	}
	edges, err := doc.edges()
	if err != nil {
		return Manifest{}, err
	}
	return Manifest{
		Digest:       algorithm.FromBytes(body),
		MediaType:    mediaType,
		Size:         int64(len(body)),
		ArtifactType: doc.artifactType(),
		Annotations:  doc.Annotations,
		Edges:        edges,
	}, nil
}

// effectiveMediaType reconciles the media type that a manifest was sent with
// and the one that it states itself.
func effectiveMediaType(sent, stated string) (string, error) {
	if sent != "" {
		bare, _, err := mime.ParseMediaType(sent)
		if err != nil {
			return "", fmt.Errorf("%w: media type %q: %w", ErrManifest, sent, err)
		}
		sent = bare
	}
	switch {
	case sent == "":
		return stated, nil
	case stated == "" || strings.EqualFold(stated, sent):
		return sent, nil
	default:
		return "", fmt.Errorf("%w: %w: sent as %q but its mediaType is %q", ErrManifest, strictjson.ErrAmbiguous, sent, stated)
	}
}

// artifactType applies the rule of the specification: the manifest's own,
// else the media type of its config, which an index has not.
func (d *document) artifactType() string {
	if d.ArtifactType == "" && d.Config != nil {
		return d.Config.MediaType
	}
	return d.ArtifactType
}

// oneKind refuses a document that one reader takes for an image and another
// for an index, by whichever fields it looks at (CVE-2021-41190).
func (d *document) oneKind(mediaType string) error {
	image, list := d.Config != nil || d.Layers != nil, d.Manifests != nil
	switch {
	case image && list:
		return errors.New("it has the fields of an image, config or layers, and manifests, that of an index")
	case image && oci.IsIndexType(mediaType):
		return errors.New("it is sent as an index but has the fields of an image, config or layers")
	case list && (mediaType == oci.MediaTypeImageManifest || mediaType == oci.MediaTypeDockerImage):
		return errors.New("it is sent as an image but has manifests, the field of an index")
	default:
		return nil
	}
}

func (d *document) edges() ([]Edge, error) {
	var list edgeList
	if d.Subject != nil {
		list.add(EdgeSubject, "subject", *d.Subject)
	}
	if d.Config != nil {
		list.add(EdgeConfig, "config", *d.Config)
	}
	list.addAll(EdgeLayer, "layers", d.Layers)
	for i, entry := range d.Manifests {
		// BuildKit keeps a cache as an index of layers and a config.
		kind := EdgeBlob
		if oci.IsManifestType(entry.MediaType) {
			kind = EdgeManifest
		}
		list.add(kind, fmt.Sprintf("manifests[%d]", i), entry)
	}
	list.addAll(EdgeBlob, "blobs", d.Blobs)
	for i, layer := range d.FSLayers {
		list.add(EdgeLayer, fmt.Sprintf("fsLayers[%d]", i), target{Digest: layer.BlobSum})
	}
	return list.edges, list.err
}

// edgeList collects edges once each and keeps the first error.
type edgeList struct {
	edges []Edge
	seen  map[Edge]struct{}
	err   error
}

func (l *edgeList) addAll(kind EdgeKind, field string, targets []target) {
	for i, t := range targets {
		l.add(kind, fmt.Sprintf("%s[%d]", field, i), t)
	}
}

func (l *edgeList) add(kind EdgeKind, field string, t target) {
	if l.err != nil {
		return
	}
	if err := t.Digest.Validate(); err != nil {
		l.err = fmt.Errorf("%w: %s.digest %q: %w", ErrManifest, field, t.Digest, err)
		return
	}
	edge := Edge{Kind: kind, Target: t.Digest}
	if _, dup := l.seen[edge]; dup {
		return
	}
	if l.seen == nil {
		l.seen = make(map[Edge]struct{})
	}
	l.seen[edge] = struct{}{}
	l.edges = append(l.edges, edge)
}

// HasSubject reports whether body is a JSON object with a subject, whether or
// not it can be read as a manifest.
func HasSubject(body []byte) bool {
	var doc struct {
		Subject json.RawMessage `json:"subject"`
	}
	err := json.Unmarshal(body, &doc)
	return err == nil && len(doc.Subject) > 0 && string(doc.Subject) != "null"
}
