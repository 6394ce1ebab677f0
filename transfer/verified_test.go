package transfer

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestVerified(t *testing.T) {
	blob := ocispec.Descriptor{Digest: digest.FromString("content"), Size: 7}
	for content, want := range map[string]error{"content": nil, "CONTENT": ErrDamaged, "content and more": ErrDamaged, "cont": io.ErrUnexpectedEOF, "": io.ErrUnexpectedEOF} {
		var moved int64
		got, err := io.ReadAll(newVerified(io.NopCloser(strings.NewReader(content)), blob, func(n int64) { moved += n }))
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", content, err, want)
		}
		if err != nil && len(got) >= int(blob.Size) {
			t.Errorf("%q: all of it was given", content)
		}
		if moved != int64(len(got)) {
			t.Errorf("%q: counted %d of %d bytes", content, moved, len(got))
		}
	}
}
