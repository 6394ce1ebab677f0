package client

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/oci"
)

// ReadManifest returns the bytes of a manifest, which have its digest, and the media
// type that they are served by. With [Repository.OpenBlob] it makes a repository a
// source of what signatures are judged by.
func (r *Repository) ReadManifest(ctx context.Context, manifest digest.Digest) (mediaType string, body []byte, err error) {
	m, err := r.Manifest(ctx, manifest.String())
	return m.MediaType, m.Body, err
}

// OpenBlob opens the content of a blob, as [Repository.Blob] does.
func (r *Repository) OpenBlob(ctx context.Context, blob oci.Descriptor) (io.ReadCloser, error) {
	return r.Blob(ctx, ocispec.Descriptor{MediaType: blob.MediaType, Digest: blob.Digest, Size: blob.Size})
}
