package oci_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

// What a manifest names has a digest each, or it is not read.
func FuzzReadParts(f *testing.F) {
	f.Add([]byte(`{"config":{"digest":"sha256:` + strings.Repeat("a", 64) + `"},"subject":{"digest":"sha256:` + strings.Repeat("b", 64) + `"}}`))
	f.Add([]byte(`{"manifests":[{"digest":"x"}],"subject":null}`))
	f.Add([]byte(`{"layers":null,"blobs":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := oci.ReadParts(body, 100)
		if err != nil {
			return
		}
		for _, named := range append(p.AllBlobs(), p.Manifests...) {
			if oci.CheckDigest(named.Digest) != nil {
				t.Errorf("%q names %q", body, named.Digest)
			}
		}
		if subject := p.SubjectDigest(); subject != "" && oci.CheckDigest(subject) != nil {
			t.Errorf("%q has subject %q", body, subject)
		}
	})
}
