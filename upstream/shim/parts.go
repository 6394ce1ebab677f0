package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// parts are what a manifest names, in all kinds of manifests.
type parts struct {
	MediaType string `json:"mediaType"`
	Config    *part  `json:"config"`
	Layers    []part `json:"layers"`
	Blobs     []part `json:"blobs"`
	Manifests []part `json:"manifests"`
}

// part is a descriptor (image-spec, "OCI Content Descriptors").
type part struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

// readParts reads what a manifest names. What is no manifest is an error.
func readParts(body []byte) (parts, error) {
	var p parts
	if err := json.Unmarshal(body, &p); err != nil {
		return parts{}, err
	}
	if p.Config == nil && p.Manifests == nil && p.Blobs == nil && p.Layers == nil {
		return parts{}, errors.New("it has none of the fields of a manifest")
	}
	if len(p.Manifests) > maxChildren {
		return parts{}, fmt.Errorf("it names more than %d manifests", maxChildren)
	}
	for _, named := range slices.Concat(p.blobs(), p.Manifests) {
		if err := oci.CheckDigest(named.Digest); err != nil {
			return parts{}, err
		}
	}
	return p, nil
}

// blobs returns the blobs that a manifest names.
func (p parts) blobs() []part {
	all := slices.Concat(p.Layers, p.Blobs)
	if p.Config != nil {
		all = append([]part{*p.Config}, all...)
	}
	return all
}
