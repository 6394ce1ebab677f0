package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A manifest that is not of the digest that it is pushed by does not reach the registry,
// which may not look, whether it can be read or not.
func TestAManifestOfAnotherDigestIsRefused(t *testing.T) {
	plain := []byte(`{"schemaVersion":2,"mediaType":"` + imageManifest + `","config":{},"layers":[]}`)
	for name, test := range map[string]struct {
		pushedBy    digest.Digest
		body        []byte
		contentType string
	}{
		"by a sha256":            {digest.FromString("other"), plain, imageManifest},
		"by a sha512":            {digest.SHA512.FromString("other"), plain, imageManifest},
		"a referrer":             {digest.FromString("other"), referrer("a", digest.FromString("subject")), imageManifest},
		"what is no JSON object": {digest.FromString("other"), []byte("[]"), "application/vnd.example.x"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			got := f.do(http.MethodPut, "/v2/app/manifests/"+test.pushedBy.String(), test.body, "Content-Type", test.contentType)
			is := test.pushedBy.Algorithm().FromBytes(test.body).String()
			if text := string(got.body); got.status != http.StatusBadRequest || !strings.Contains(text, "DIGEST_INVALID") || !strings.Contains(text, is) {
				t.Errorf("%d: %s", got.status, text)
			}
			if seen := f.registry.seen(); len(seen) > 0 {
				t.Errorf("the registry saw %v", seen)
			}
			if got = f.do(http.MethodPut, "/v2/app/manifests/"+is, test.body, "Content-Type", test.contentType); got.status != http.StatusCreated {
				t.Errorf("by its own digest: %d: %s", got.status, got.body)
			}
		})
	}
}
