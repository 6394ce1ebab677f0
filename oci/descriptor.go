package oci

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Descriptor is an entry of an image index, such as a referrers listing is
// (image-spec, "Descriptors"; distribution-spec, "Listing Referrers").
type Descriptor struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	// Size is that of the manifest in bytes.
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// Legacy says that no subject makes it a referrer, but Tag, one of [CosignTags]
	// of the manifest that it is about. No registry's own listing has such entries.
	Legacy bool   `json:"legacy,omitempty"`
	Tag    string `json:"tag,omitempty"`
}

// Encode returns the descriptor as listings send it: one line of JSON, the
// annotations in the order of their keys.
func (d Descriptor) Encode() ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(d); err != nil {
		return nil, fmt.Errorf("encode descriptor %s: %w", d.Digest, err)
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}
