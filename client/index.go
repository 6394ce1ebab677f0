package client

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Contents are the descriptors that a manifest holds, as far as a copy or a
// drawing needs them whole.
type Contents struct {
	// Config and Layers are blobs; an artifact manifest of old has Blobs.
	Config *ocispec.Descriptor  `json:"config"`
	Layers []ocispec.Descriptor `json:"layers"`
	Blobs  []ocispec.Descriptor `json:"blobs"`
	// Manifests are the entries of an index.
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// Contents reads the descriptors of a manifest.
func (m Manifest) Contents() (Contents, error) {
	var c Contents
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return c, fmt.Errorf("read manifest %s: %w", m.Digest, err)
	}
	return c, nil
}

// AllBlobs returns the blobs of a manifest. BuildKit keeps a cache as an index
// of them.
func (c Contents) AllBlobs() []ocispec.Descriptor {
	var blobs []ocispec.Descriptor
	if c.Config != nil {
		blobs = append(blobs, *c.Config)
	}
	blobs = append(append(blobs, c.Layers...), c.Blobs...)
	for _, entry := range c.Manifests {
		if isBlob(entry) {
			blobs = append(blobs, entry)
		}
	}
	return blobs
}

// Children returns the entries of an index that are no blobs. Those of a media
// type that is not known are [Doubtful].
func (c Contents) Children() []ocispec.Descriptor {
	var children []ocispec.Descriptor
	for _, entry := range c.Manifests {
		if !isBlob(entry) {
			children = append(children, entry)
		}
	}
	return children
}

// Doubtful reports whether an entry of an index may be a manifest or a blob: it
// is what the registry has it as.
func Doubtful(entry ocispec.Descriptor) bool {
	return !oci.IsManifestType(entry.MediaType) && !isBlob(entry)
}

// isBlob reports whether an entry of an index is known to be a blob, by its type
// or because no manifest is so large.
func isBlob(entry ocispec.Descriptor) bool {
	return oci.IsBlobType(entry.MediaType) || !oci.IsManifestType(entry.MediaType) && entry.Size > maxManifest
}

// Size returns how large the blobs of a manifest are together.
func (c Contents) Size() int64 {
	var size int64
	for _, blob := range c.AllBlobs() {
		size += blob.Size
	}
	return size
}

// IsIndex reports whether a manifest lists others.
func (m Manifest) IsIndex() bool {
	return m.MediaType == oci.MediaTypeImageIndex || m.MediaType == oci.MediaTypeDockerList
}

// WithEntries returns an index like m with other entries. All else that it has
// stays.
func (m Manifest) WithEntries(entries []ocispec.Descriptor) (Manifest, error) {
	return m.with("manifests", append([]ocispec.Descriptor{}, entries...))
}

// with returns an index like m with another field.
func (m Manifest) with(field string, value any) (Manifest, error) {
	document := map[string]json.RawMessage{}
	if err := json.Unmarshal(m.Body, &document); err != nil {
		return Manifest{}, fmt.Errorf("read index %s: %w", m.Digest, err)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return Manifest{}, fmt.Errorf("write index: %w", err)
	}
	document[field] = encoded
	body, err := json.Marshal(document)
	if err != nil {
		return Manifest{}, fmt.Errorf("write index: %w", err)
	}
	parsed, err := index.ParseManifest(m.MediaType, digest.SHA256, body)
	return Manifest{parsed, body}, err
}

// About returns an index like m that names the subject of what it lists: see
// [index.AnnotationSubject].
func (m Manifest) About(subject digest.Digest) (Manifest, error) {
	annotations := maps.Clone(m.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[index.AnnotationSubject] = subject.String()
	return m.with("annotations", annotations)
}

// EmptyIndex returns an image index without entries.
func EmptyIndex() Manifest {
	return Manifest{index.Manifest{MediaType: oci.MediaTypeImageIndex}, oci.EncodeIndex(0, nil)}
}

// Entry returns the descriptor of a manifest as lists of referrers have it.
func (m Manifest) Entry() ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, ArtifactType: m.ArtifactType, Annotations: m.Annotations,
	}
}
