package proxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

func cacheManifests(cfg *config.Config) {
	cfg.Cache.Manifests = 1 << 20
	cfg.Permissions.CacheTTL = config.Default().Permissions.CacheTTL
}

// cachedImage pulls an image once, so that it is in the cache.
func cachedImage(t *testing.T) (f *fixture, body []byte, at string) {
	t.Helper()
	f = newFixture(t, cacheManifests)
	body = image("cached")
	at = "/v2/a/manifests/" + f.registry.put("a", body, "v1").String()
	if got := f.do(http.MethodGet, at, nil, "Accept", imageManifest); got.status != http.StatusOK {
		t.Fatalf("status %d", got.status)
	}
	f.registry.seen()
	return f, body, at
}

func TestManifestsAreCached(t *testing.T) {
	f, body, at := cachedImage(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := f.do(method, at, nil, "Accept", imageManifest)
		if got.status != http.StatusOK || method == http.MethodGet && string(got.body) != string(body) {
			t.Errorf("%s: status %d, body %s", method, got.status, got.body)
		}
		if got.header.Get("Content-Type") != imageManifest || got.header.Get("Docker-Content-Digest") != digest.FromBytes(body).String() ||
			got.header.Get("Content-Length") == "" || got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: header %v", method, got.header)
		}
	}
	if asked := f.registry.seen(); len(asked) != 0 {
		t.Errorf("the registry was asked: %v", asked)
	}
	// A registry may answer differently to who accepts something else.
	f.do(http.MethodGet, at, nil, "Accept", "application/json")
	f.do(http.MethodGet, "/v2/a/manifests/v1", nil, "Accept", imageManifest)
	if asked := f.registry.seen(); !slices.Equal(asked, []string{"GET " + at, "GET /v2/a/manifests/v1"}) {
		t.Errorf("the registry was asked: %v", asked)
	}
}

func TestCachedManifestNeedsPermission(t *testing.T) {
	f, _, at := cachedImage(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Header.Get("Authorization") {
		case "Basic refused":
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		case "Basic hidden":
			w.WriteHeader(http.StatusNotFound)
		default:
			return false
		}
		return true
	})
	for credentials, want := range map[string]int{"Basic refused": 401, "Basic hidden": 404, "Basic permitted": 200} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if got := f.do(method, at, nil, "Accept", imageManifest, "Authorization", credentials); got.status != want {
				t.Errorf("%s with %s: status %d, want %d", method, credentials, got.status, want)
			}
		}
	}
}

func TestDeletedManifestIsNotCached(t *testing.T) {
	f, _, at := cachedImage(t)
	if got := f.do(http.MethodDelete, at, nil); got.status != http.StatusAccepted {
		t.Fatalf("status %d", got.status)
	}
	if got := f.do(http.MethodGet, at, nil, "Accept", imageManifest); got.status != http.StatusNotFound {
		t.Errorf("after the delete: status %d", got.status)
	}
}

// What a registry sends under a digest that it has not is passed on, not kept.
func TestWrongManifestIsNotCached(t *testing.T) {
	f := newFixture(t, cacheManifests)
	at := "/v2/a/manifests/" + digest.FromString("another").String()
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", imageManifest)
		_, _ = w.Write(image("wrong"))
		return true
	})
	for range 2 {
		f.do(http.MethodGet, at, nil)
	}
	if asked := f.registry.seen(); !slices.Equal(asked, []string{"HEAD " + at, "GET " + at, "GET " + at}) {
		t.Errorf("the registry was asked: %v", asked)
	}
}

// A client that a registry lets in by another header than Authorization is not
// told from one without credentials: its pulls permit neither of them anything.
func TestPullByAnotherHeaderPermitsNobody(t *testing.T) {
	f := newFixture(t, cacheManifests, remembering)
	subject := f.registry.put("a", image("a"))
	at := "/v2/a/manifests/" + subject.String()
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Jfrog-Art-Api") == "key" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	if got := f.do(http.MethodGet, at, nil, "X-Jfrog-Art-Api", "key"); got.status != http.StatusOK {
		t.Errorf("owner: status %d", got.status)
	}
	for _, path := range []string{at, "/v2/a/referrers/" + subject.String()} {
		if got := f.do(http.MethodGet, path, nil); got.status != http.StatusUnauthorized {
			t.Errorf("stranger at %s: status %d", path, got.status)
		}
	}
}
