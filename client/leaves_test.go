package client

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
)

// What is cut off or missing in a tree may have referrers; what has none is a leaf.
func TestLeavesOfATree(t *testing.T) {
	registry, repository := newRegistry(t)
	named := digest.FromString
	registry.HandleFunc("GET /v2/app/_oci/ext/discover", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"extensions":[{"name":"_backref"}]}`))
	})
	registry.HandleFunc("GET /v2/app/_backref/graph/tree", func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Get("subject") != named("root").String() || query.Get("legacy") != "false" {
			t.Errorf("asked for %s", r.URL)
		}
		node := func(name, more string) string {
			return fmt.Sprintf(`{"descriptor":{"digest":%q}%s}`, named(name), more)
		}
		_, _ = w.Write([]byte(node("root", `,"cut":"limit","referrers":[`+
			node("signed", `,"referrers":[`+node("signature", "")+`]`)+`,`+node("deep", `,"cut":"depth"`)+`,`+node("gone", `,"missing":true`)+
			`],"manifests":[`+node("image", "")+`]`)))
	})
	leaves, err := repository.Leaves(t.Context(), named("root"))
	if err != nil || len(leaves) != 2 || !leaves[named("signature")] || !leaves[named("image")] {
		t.Errorf("%v, %v", leaves, err)
	}

	_, plain := newRegistry(t)
	if leaves, err := plain.Leaves(t.Context(), named("root")); err != nil || len(leaves) > 0 {
		t.Errorf("without a backref: %v, %v", leaves, err)
	}
}
