package registry

import (
	"bytes"
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Contents reads what is in one repository: what signatures are judged by.
type Contents struct {
	reader     *Reader
	repository string
}

// Contents returns what reads a repository.
func (r *Reader) Contents(repository string) Contents { return Contents{r, repository} }

// ReadManifest returns the bytes of a manifest, and the media type that they are of.
// What its error says is told by [OutcomeOf].
func (c Contents) ReadManifest(ctx context.Context, manifest digest.Digest) (mediaType string, body []byte, err error) {
	found, err := c.reader.Manifest(ctx, c.repository, manifest.String())
	return found.MediaType, found.Body, err
}

// OpenBlob returns the content of a blob that is no larger than a manifest may be.
func (c Contents) OpenBlob(ctx context.Context, blob oci.Descriptor) (io.ReadCloser, error) {
	body, err := c.reader.Blob(ctx, c.repository, blob.Digest)
	return io.NopCloser(bytes.NewReader(body)), err
}
