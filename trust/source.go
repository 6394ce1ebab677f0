package trust

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Source is the repository that an artifact and its subject are in, as whoever asks
// may read it. Its implementations need not check what they return.
type Source interface {
	// ReadManifest returns the bytes of a manifest, and the media type that it is
	// served by. It bounds what it reads.
	ReadManifest(ctx context.Context, manifest digest.Digest) (mediaType string, body []byte, err error)
	// OpenBlob opens the content of a blob, which the caller closes.
	OpenBlob(ctx context.Context, blob oci.Descriptor) (io.ReadCloser, error)
}

// ErrContent marks content that is not what its descriptor says: cut short, too
// long, or of another digest. Nothing follows of it for who signed.
var ErrContent = errors.New("is not the content that its digest names")

// readManifest reads a manifest and makes sure that it has its digest.
func readManifest(ctx context.Context, src Source, manifest digest.Digest) (mediaType string, body []byte, err error) {
	if err := manifest.Validate(); err != nil {
		return "", nil, fmt.Errorf("manifest %q: %w", manifest, err)
	}
	mediaType, body, err = src.ReadManifest(ctx, manifest)
	if err == nil && manifest.Algorithm().FromBytes(body) != manifest {
		err = ErrContent
	}
	if err != nil {
		return "", nil, fmt.Errorf("read manifest %s: %w", manifest, err)
	}
	return mediaType, body, nil
}

// readBlob reads a blob whose size is within bounds, and makes sure that it has its
// size and digest.
func readBlob(ctx context.Context, src Source, blob oci.Descriptor) (body []byte, err error) {
	opened, err := src.OpenBlob(ctx, blob)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", blob.Digest, err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	body, err = io.ReadAll(io.LimitReader(opened, blob.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", blob.Digest, err)
	}
	if int64(len(body)) != blob.Size || blob.Digest.Algorithm().FromBytes(body) != blob.Digest {
		return nil, fmt.Errorf("blob %s: %w", blob.Digest, ErrContent)
	}
	return body, nil
}
