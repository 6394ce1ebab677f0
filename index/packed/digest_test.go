package packed

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

// FuzzDigest checks that the compact form of a digest is accepted for digests
// only, is as good as the digest, and sorts like it.
func FuzzDigest(f *testing.F) {
	f.Add("sha256:"+strings.Repeat("0f", 32), "sha512:"+strings.Repeat("a0", 64))
	f.Add("sha384:"+strings.Repeat("0f", 48), "sha256:"+strings.Repeat("A0", 32))
	f.Add("sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e")
	f.Fuzz(func(t *testing.T, a, b string) {
		compactA, errA := AppendDigest(nil, digest.Digest(a))
		compactB, errB := AppendDigest(nil, digest.Digest(b))
		for d, err := range map[string]error{a: errA, b: errB} {
			if valid := digest.Digest(d).Validate() == nil; valid != (err == nil) {
				t.Fatalf("%q: valid %t, error %v", d, valid, err)
			}
			if err != nil && !errors.Is(err, index.ErrInvalid) {
				t.Fatalf("%q: got error %v", d, err)
			}
		}
		if errA != nil || errB != nil {
			return
		}
		if got := string(ExpandDigest(compactA)); got != a {
			t.Fatalf("got %s, want %s", got, a)
		}
		if got, want := bytes.Compare(compactA, compactB), strings.Compare(a, b); got != want {
			t.Fatalf("%s and %s: keys compare %d, digests %d", a, b, got, want)
		}
		joined := append(slices.Clone(compactA), compactB...)
		first, rest, err := CutDigest(joined)
		if err != nil || !bytes.Equal(first, compactA) || !bytes.Equal(rest, compactB) {
			t.Fatalf("%x is cut into %x and %x, %v", joined, first, rest, err)
		}
	})
}

// FuzzTagPrefix checks that what a tag leaves of a digest is what its compact form
// begins with.
func FuzzTagPrefix(f *testing.F) {
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		f.Add(oci.ReferrersTag(algorithm.FromString("subject")))
	}
	f.Add("sha256-")
	f.Add("v1")
	f.Fuzz(func(t *testing.T, tag string) {
		prefix, err := TagPrefix(tag)
		if (err == nil) != oci.IsReferrersTag(tag) {
			t.Fatalf("%q: %v", tag, err)
		}
		if err != nil {
			return
		}
		name, encoded, _ := strings.Cut(tag, "-")
		whole := digest.Digest(name + ":" + encoded + strings.Repeat("7", 2*digest.Algorithm(name).Size()-len(encoded)))
		compact, err := AppendDigest(nil, whole)
		if err != nil || !bytes.HasPrefix(compact, prefix) {
			t.Fatalf("%q: %x, %v; want what %x begins with", tag, prefix, err, compact)
		}
	})
}
