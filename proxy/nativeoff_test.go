package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// nativeAnswer answers referrers queries for a repository with one entry.
func nativeAnswer(w http.ResponseWriter, r *http.Request, repository string, entry digest.Digest) bool {
	if !strings.HasPrefix(r.URL.Path, "/v2/"+repository+"/referrers/") {
		return false
	}
	w.Header().Set("Content-Type", imageIndex)
	_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, imageIndex, imageManifest, entry)
	return true
}

// A client whose token has ended, while its permission is still remembered,
// does not make the upstream's own API look missing to others.
func TestEndedTokenLeavesNativeReferrersOn(t *testing.T) {
	f := newFixture(t, remembering)
	subject := f.registry.put("a", image("a"))
	native := f.registry.put("a", referrer("x", subject))
	ended := false
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if ended && r.Header.Get("Authorization") == "Bearer short" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return nativeAnswer(w, r, "a", native)
	})
	f.list("a", subject, "Authorization", "Bearer short")
	ended = true
	if got := f.do(http.MethodGet, "/v2/a/referrers/"+subject.String(), nil, "Authorization", "Bearer short"); got.status != http.StatusUnauthorized {
		t.Errorf("ended token: status %d", got.status)
	}
	if got := f.list("a", subject, "Authorization", "Bearer good"); len(got) != 1 {
		t.Errorf("another client sees %d of 1 referrers", len(got))
	}
}

// Nor does a question about a repository that there is not.
func TestUnknownRepositoryLeavesNativeReferrersOn(t *testing.T) {
	f := newFixture(t, remembering, func(cfg *config.Config) {
		cfg.Auth.Mode = config.AuthService
		cfg.Upstream.Service.Anonymous = true
		cfg.Auth.Rules = []config.Rule{{Repositories: []string{"mine/**"}, Anonymous: true, Allow: []string{"pull"}}}
	})
	subject := f.registry.put("mine/a", image("a"))
	native := f.registry.put("mine/a", referrer("x", subject))
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool { return nativeAnswer(w, r, "mine/a", native) })
	f.list("mine/unknown", subject)
	if got := f.list("mine/a", subject); len(got) != 1 {
		t.Errorf("%d of 1 referrers", len(got))
	}
}
