package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Manifests that the registry has elsewhere are read there for a listing, as
// clients pull them.
func TestListingOfManifestsBehindRedirects(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	listed := referrer("listed", subject)
	f.registry.put("app", listed)
	f.registry.put("app", indexOf(listed), oci.ReferrersTag(subject))
	moved := httptest.NewServer(http.HandlerFunc(f.registry.serve))
	t.Cleanup(moved.Close)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		http.Redirect(w, r, moved.URL+r.URL.Path, http.StatusTemporaryRedirect)
		return true
	})
	pushed := referrer("pushed", subject)
	f.push("app", pushed)
	if got := f.list("app", subject); !slices.Equal(got, sorted(listed, pushed)) {
		t.Errorf("got %v", got)
	}
	if got := f.list("app", digest.FromString("unknown")); len(got) > 0 {
		t.Errorf("an unknown subject has %v", got)
	}
}

// A gateway before the registry sends whoever has not signed in to a page, which
// anybody may read. That is no permission.
func TestAPageToSignInOnIsNoPermission(t *testing.T) {
	const secret = "Bearer of-the-owner"
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	signature := referrer("signature", subject)
	f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(signature).String(), signature, "Content-Type", imageManifest)
	f.registry.put("app", indexOf(signature), oci.ReferrersTag(subject))
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/login":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>sign in</html>"))
		case r.Header.Get("Authorization") != secret:
			http.Redirect(w, r, "/login", http.StatusFound)
		default:
			return false
		}
		return true
	})
	for _, path := range []string{
		"/v2/app/referrers/" + subject.String(), "/v2/app/_backref/graph/tree?subject=" + subject.String(),
		"/v2/app/_backref/graph/referrers?subject=" + oci.ReferrersTag(subject), "/v2/app/_backref/catalog/artifacts", "/v2/app/_backref/graph/parents?digest=" + subject.String(),
	} {
		got := f.do(http.MethodGet, path, nil)
		if strings.Contains(string(got.body), digest.FromBytes(signature).String()) {
			t.Errorf("%s: status %d: %s", path, got.status, got.body)
		}
	}
	if got := f.list("app", subject, "Authorization", secret); !slices.Equal(got, sorted(signature)) {
		t.Errorf("the owner got %v", got)
	}
}
