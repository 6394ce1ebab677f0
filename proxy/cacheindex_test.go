package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// cacheIndex returns an index of a layer, a config and an image, as BuildKit
// keeps a cache.
func cacheIndex(manifest []byte) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`+
		`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":5},`+
		`{"mediaType":"application/vnd.buildkit.cacheconfig.v0","digest":%q,"size":6},{"mediaType":%q,"digest":%q,"size":1}]}`,
		imageIndex, digest.FromString("layer"), digest.FromString("config"), imageManifest, digest.FromBytes(manifest))
}

// A tree shows the manifests of an index and none of its blobs: neither of a new
// record, nor of one that was written when they all counted as manifests. A
// registry may fail at a blob that it is asked for as a manifest.
func TestTreeOfACache(t *testing.T) {
	for name, old := range map[string]bool{"a new record": false, "an old record": true} {
		for _, answer := range []int{http.StatusNotFound, http.StatusInternalServerError} {
			t.Run(fmt.Sprint(name, answer), func(t *testing.T) {
				f := newFixture(t)
				held := image("held")
				cache := cacheIndex(held)
				f.registry.put("app", held)
				sum := f.registry.put("app", cache, "cache")
				if old {
					manifest, err := index.ParseManifest(imageIndex, digest.SHA256, cache)
					if err != nil {
						t.Fatal(err)
					}
					for i := range manifest.Edges {
						manifest.Edges[i].Kind = index.EdgeManifest
					}
					mark, err := f.store.Mark(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if err := f.store.Observe(t.Context(), mark, index.Record{Repository: "app", Manifest: manifest}); err != nil {
						t.Fatal(err)
					}
				}
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					blob := strings.HasSuffix(r.URL.Path, digest.FromString("layer").String()) || strings.HasSuffix(r.URL.Path, digest.FromString("config").String())
					switch {
					case blob && strings.Contains(r.URL.Path, "/blobs/"):
					case blob:
						w.WriteHeader(answer)
					default:
						return false
					}
					return true
				})
				got := f.do(http.MethodGet, "/v2/app/_backref/graph/tree?subject=cache", nil)
				if got.status != http.StatusOK || !strings.Contains(string(got.body), digest.FromBytes(held).String()) ||
					!strings.Contains(string(got.body), sum.String()) || strings.Contains(string(got.body), digest.FromString("layer").String()) {
					t.Errorf("status %d: %s", got.status, got.body)
				}
			})
		}
	}
}
