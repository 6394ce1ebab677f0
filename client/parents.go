package client

import (
	"context"
	"fmt"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Parent is a manifest that names another manifest or a blob.
type Parent struct {
	// Kind says in which field: subject, config, layer, manifest or blob.
	Kind       string         `json:"kind"`
	Descriptor oci.Descriptor `json:"descriptor"`
}

// Parents returns the manifests of the repository that name a digest. Only a
// backref can tell; elsewhere the error matches [ErrNoExtension].
func (r *Repository) Parents(ctx context.Context, child digest.Digest) ([]Parent, error) {
	found, err := r.HasExtension(ctx)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%w: %s can't tell which manifests name %s, since no registry keeps that by itself; ask through a backref", ErrNoExtension, r.Reference.Host, child)
	}
	parents := []Parent{}
	path := r.extensionPath("graph/parents") + "?" + (url.Values{"digest": {child.String()}}).Encode()
	err = eachPage(ctx, r, path, func(page struct{ Parents []Parent }) bool {
		parents = append(parents, page.Parents...)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list parents of %s: %w", r.Reference.At(child), err)
	}
	return parents, nil
}
