package oci_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

func FuzzCheckDigest(f *testing.F) {
	hex := strings.Repeat("0123456789abcdef", 8)
	for _, seed := range []string{
		"", ":", "sha256:", "sha256:" + hex[:64], "sha384:" + hex[:96], "sha512:" + hex, "sha256:" + hex[:63], "sha256:" + hex[:65],
		"sha256:" + strings.ToUpper(hex[:64]), "SHA256:" + hex[:64], "md5:" + hex[:32], "sha256:" + hex[:63] + "g", "sha256+b64u:" + hex[:43],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := digest.Digest(text)
		if got, want := oci.CheckDigest(d), d.Validate(); got != want { //nolint:errorlint // The very same error.
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	})
}
