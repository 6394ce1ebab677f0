package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Errors of blobs that are read whole.
var (
	// ErrBlobSize says that a blob is larger than its reader takes.
	ErrBlobSize = errors.New("it is larger than what is read")
	// ErrBlobChanged says that a blob is not what its descriptor says.
	ErrBlobChanged = errors.New("its content is not what its descriptor says")
)

// SmallBlob returns the content of a blob of at most so many bytes, with the size and
// the digest of its descriptor. The errors match [ErrNotFound], [ErrBlobSize] or
// [ErrBlobChanged].
func (r *Repository) SmallBlob(ctx context.Context, blob ocispec.Descriptor, most int64) ([]byte, error) {
	if blob.Size > most {
		return nil, fmt.Errorf("read blob %s of %s: %w: %d bytes, at most %d", blob.Digest, r.Reference, ErrBlobSize, blob.Size, most)
	}
	if err := blob.Digest.Validate(); err != nil || blob.Size < 0 {
		return nil, fmt.Errorf("read blob %q of %s: %w", blob.Digest, r.Reference, ErrBlobChanged)
	}
	content, err := r.Blob(ctx, blob)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	body, err := io.ReadAll(io.LimitReader(content, blob.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s of %s: %w", blob.Digest, r.Reference, err)
	}
	if int64(len(body)) != blob.Size || blob.Digest.Algorithm().FromBytes(body) != blob.Digest {
		return nil, fmt.Errorf("read blob %s of %s: %w", blob.Digest, r.Reference, ErrBlobChanged)
	}
	return body, nil
}
