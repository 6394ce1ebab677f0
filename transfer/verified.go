package transfer

import (
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// ErrDamaged marks content that has not the digest or size that it was asked
// by.
var ErrDamaged = errors.New("content is damaged")

// verified reads a blob and compares it at its end. The last bytes are given
// only where all are right, so that nobody who asks for the announced size,
// a registry among them, ever has the whole of what is damaged.
type verified struct {
	content io.ReadCloser
	reader  *content.VerifyReader
	blob    ocispec.Descriptor
	left    int64
	moved   func(int64)
}

func newVerified(from io.ReadCloser, blob ocispec.Descriptor, moved func(int64)) *verified {
	return &verified{from, content.NewVerifyReader(from, blob), blob, blob.Size, moved}
}

// Read reads on. An end that is none is an error of the connection; a wrong
// digest is one of the source.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.reader.Read(p)
	v.left -= int64(n)
	if v.left == 0 && (err == nil || errors.Is(err, io.EOF)) {
		if wrong := v.reader.Verify(); wrong != nil {
			return 0, fmt.Errorf("blob %s: %w: %w", v.blob.Digest, ErrDamaged, wrong)
		}
	}
	v.moved(int64(n))
	return n, err
}

// Close closes what is read from.
func (v *verified) Close() error {
	return v.content.Close()
}
