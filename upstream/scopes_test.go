package upstream

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestScopes(t *testing.T) {
	for _, c := range []struct{ method, target, want string }{
		{http.MethodGet, "/v2/", ""},
		{http.MethodGet, "/v2/_catalog?n=1", "registry:catalog:*"},
		{http.MethodGet, "/v2/a/b/manifests/x", "repository:a/b:pull"},
		{http.MethodHead, "/v2/a/blobs/sha256:x", "repository:a:pull"},
		{http.MethodGet, "/v2/a/tags/list?n=1", "repository:a:pull"},
		{http.MethodGet, "/v2/a/referrers/sha256:x", "repository:a:pull"},
		{http.MethodPut, "/v2/a/manifests/x", "repository:a:pull,push"},
		{http.MethodDelete, "/v2/a/manifests/x", "repository:a:delete,pull"},
		{http.MethodPost, "/v2/a/blobs/uploads/", "repository:a:pull,push"},
		{http.MethodPost, "/v2/a/blobs/uploads", "repository:a:pull,push"},
		{http.MethodPatch, "/v2/a/blobs/uploads/1?_state=x", "repository:a:pull,push"},
		{http.MethodPost, "/v2/a/blobs/uploads/?mount=sha256:x&from=b", "repository:a:pull,push repository:b:pull"},
		{http.MethodGet, "/v2/a/manifests/manifests/x", "repository:a/manifests:pull"},
		{http.MethodPatch, "/elsewhere/x", "repository:fallback:pull,push"},
	} {
		u, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		fallback := ""
		if strings.HasPrefix(c.target, "/elsewhere") {
			fallback = "fallback"
		}
		if got := strings.Join(scopesOf(c.method, u, fallback), " "); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.method, c.target, got, c.want)
		}
	}
}
