package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// adoptedManifest is the referrer that is written for a legacy one. The order of
// the fields is part of its digest, by which it is found again: it stays.
type adoptedManifest struct {
	SchemaVersion int                `json:"schemaVersion"`
	MediaType     string             `json:"mediaType"`
	ArtifactType  string             `json:"artifactType"`
	Config        json.RawMessage    `json:"config"`
	Layers        json.RawMessage    `json:"layers"`
	Subject       ocispec.Descriptor `json:"subject"`
	Annotations   map[string]string  `json:"annotations,omitempty"`
}

// adopted returns the referrer that holds what a legacy one does: an image
// manifest with the same config, layers and annotations, the artifact type and
// annotations by which the legacy one is listed, and the subject. Equal ones give
// equal bytes.
func adopted(legacy client.Legacy, subject client.Manifest) (client.Manifest, error) {
	var old struct {
		Config json.RawMessage `json:"config"`
		Layers json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(legacy.Body, &old); err != nil {
		return client.Manifest{}, fmt.Errorf("read manifest %s: %w", legacy.Digest, err)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(adoptedManifest{
		SchemaVersion: 2, MediaType: oci.MediaTypeImageManifest, ArtifactType: legacy.Listed.ArtifactType,
		Config: old.Config, Layers: old.Layers, Annotations: maps.Clone(legacy.Listed.Annotations),
		Subject: ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	})
	if err != nil {
		return client.Manifest{}, fmt.Errorf("write a referrer for %s: %w", legacy.Digest, err)
	}
	written := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	return client.ParseManifest(oci.MediaTypeImageManifest, digest.FromBytes(written), written)
}
