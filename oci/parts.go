package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// ErrParts means that a text is no manifest, or names too much, or something by no
// digest.
var ErrParts = errors.New("not the parts of a manifest")

// Parts are what a manifest names, in all kinds of manifests.
type Parts struct {
	MediaType string `json:"mediaType"`
	Config    *Part  `json:"config"`
	Layers    []Part `json:"layers"`
	Blobs     []Part `json:"blobs"`
	Manifests []Part `json:"manifests"`
	Subject   *Part  `json:"subject"`
}

// Part is a descriptor, as far as it says where something is (image-spec, "OCI Content
// Descriptors").
type Part struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	URLs      []string      `json:"urls"`
}

// ReadParts reads what a manifest names: at most so much, each by a valid digest.
// Anything else is [ErrParts].
func ReadParts(body []byte, most int) (Parts, error) {
	var p Parts
	if err := json.Unmarshal(body, &p); err != nil {
		return Parts{}, fmt.Errorf("%w: %w", ErrParts, err)
	}
	all := slices.Concat(p.AllBlobs(), p.Manifests)
	if p.Subject != nil {
		all = append(all, *p.Subject)
	}
	if len(all) > most {
		return Parts{}, fmt.Errorf("%w: it names more than %d", ErrParts, most)
	}
	for _, named := range all {
		if err := CheckDigest(named.Digest); err != nil {
			return Parts{}, fmt.Errorf("%w: %q: %w", ErrParts, named.Digest, err)
		}
	}
	return p, nil
}

// Empty tells whether a text has none of the fields by which a manifest names anything.
func (p Parts) Empty() bool {
	return p.Config == nil && p.Manifests == nil && p.Blobs == nil && p.Layers == nil
}

// AllBlobs returns the blobs that a manifest names.
func (p Parts) AllBlobs() []Part {
	all := slices.Concat(p.Layers, p.Blobs)
	if p.Config != nil {
		all = append([]Part{*p.Config}, all...)
	}
	return all
}

// SubjectDigest returns the digest of the subject; empty where there is none.
func (p Parts) SubjectDigest() digest.Digest {
	if p.Subject == nil {
		return ""
	}
	return p.Subject.Digest
}
