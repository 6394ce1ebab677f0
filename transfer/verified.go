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

// verified reads a blob and compares it at its end: whoever reads to the end
// without an error has the right bytes.
type verified struct {
	content io.ReadCloser
	reader  *content.VerifyReader
	blob    ocispec.Descriptor
	moved   func(int64)
}

func newVerified(from io.ReadCloser, blob ocispec.Descriptor, moved func(int64)) *verified {
	return &verified{from, content.NewVerifyReader(from, blob), blob, moved}
}

// Read reads on. An end that is none is an error of the connection; a wrong
// digest is one of the source.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.reader.Read(p)
	v.moved(int64(n))
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if wrong := v.reader.Verify(); wrong != nil {
		return n, fmt.Errorf("blob %s: %w: %w", v.blob.Digest, ErrDamaged, wrong)
	}
	return n, io.EOF
}

// Close closes what is read from.
func (v *verified) Close() error {
	return v.content.Close()
}
