package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// HasBlob reports whether the repository has a blob.
func (r *Repository) HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error) {
	found, err := r.remote.Blobs().Exists(ctx, blob)
	if err != nil {
		return false, fmt.Errorf("ask %s for blob %s of %s: %w", r.Reference.Host, blob.Digest, r.Reference.Repository, r.explain(err))
	}
	return found, nil
}

// Blob returns the content of a blob. It is not verified: whoever reads it
// compares size and digest.
func (r *Repository) Blob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error) {
	content, err := r.remote.Blobs().Fetch(ctx, blob)
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return nil, fmt.Errorf("get blob %s of %s/%s: %w", blob.Digest, r.Reference.Host, r.Reference.Repository, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("get blob %s of %s/%s: %w", blob.Digest, r.Reference.Host, r.Reference.Repository, r.explain(err))
	}
	return content, nil
}

// PutBlob uploads a blob, which the registry verifies.
func (r *Repository) PutBlob(ctx context.Context, blob ocispec.Descriptor, content io.Reader) error {
	if err := r.remote.Blobs().Push(ctx, blob, content); err != nil {
		return fmt.Errorf("push blob %s to %s/%s: %w", blob.Digest, r.Reference.Host, r.Reference.Repository, r.explain(err))
	}
	return nil
}

// MountBlob has the registry take a blob over from another of its
// repositories. Where it can't, content is called for what is to be uploaded.
func (r *Repository) MountBlob(ctx context.Context, blob ocispec.Descriptor, from string, content func() (io.ReadCloser, error)) error {
	if err := r.remote.Mount(ctx, blob, from, content); err != nil {
		return fmt.Errorf("mount blob %s from %s in %s/%s: %w", blob.Digest, from, r.Reference.Host, r.Reference.Repository, r.explain(err))
	}
	return nil
}
