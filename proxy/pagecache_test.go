package proxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// remembering has everything remembered as by default.
func remembering(cfg *config.Config) {
	defaults := config.Default()
	cfg.Permissions, cfg.Referrers = defaults.Permissions, defaults.Referrers
}

// keptListing lists a subject with one referrer twice, so that the listing is
// in the cache.
func keptListing(t *testing.T) (f *fixture, subject digest.Digest, first []byte) {
	t.Helper()
	f = newFixture(t, remembering)
	subject = f.registry.put("a", image("subject"), "v1")
	first = referrer("first", subject)
	f.push("a", first)
	for range 2 {
		wantList(t, f, subject, first)
	}
	f.registry.seen()
	return f, subject, first
}

func wantList(t *testing.T, f *fixture, subject digest.Digest, want ...[]byte) {
	t.Helper()
	digests := []digest.Digest{}
	for _, m := range want {
		digests = append(digests, digest.FromBytes(m))
	}
	slices.Sort(digests)
	if got := f.list("a", subject); !slices.Equal(got, digests) {
		t.Errorf("listed %v, want %v", got, digests)
	}
}

func TestListingsAreKept(t *testing.T) {
	f, subject, first := keptListing(t)
	at := "/v2/a/referrers/" + subject.String()
	kept, made := f.do(http.MethodGet, at, nil), f.do(http.MethodGet, at+"?n=9", nil)
	for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Cache-Control"} {
		if kept.header.Get(name) == "" || kept.header.Get(name) != made.header.Get(name) {
			t.Errorf("%s: %q kept, %q made", name, kept.header.Get(name), made.header.Get(name))
		}
	}
	if string(kept.body) != string(made.body) {
		t.Errorf("kept %s, made %s", kept.body, made.body)
	}
	if got := f.do(http.MethodGet, at, nil, "If-None-Match", kept.header.Get("ETag")); got.status != http.StatusNotModified {
		t.Errorf("unchanged: status %d", got.status)
	}
	if got := f.do(http.MethodHead, at, nil); got.status != http.StatusOK || len(got.body) != 0 {
		t.Errorf("HEAD: status %d, %d bytes", got.status, len(got.body))
	}
	if got := f.do(http.MethodGet, at+"?n=none", nil); got.status != http.StatusBadRequest {
		t.Errorf("a bad query: status %d", got.status)
	}
	if asked := f.registry.seen(); len(asked) != 0 {
		t.Errorf("the registry was asked: %v", asked)
	}
	second := referrer("second", subject)
	f.push("a", second)
	wantList(t, f, subject, first, second)
	f.do(http.MethodDelete, "/v2/a/manifests/"+digest.FromBytes(first).String(), nil)
	wantList(t, f, subject, second)
}

func TestKeptListingNeedsPermission(t *testing.T) {
	f, subject, _ := keptListing(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Header.Get("Authorization") {
		case "Basic refused":
			w.WriteHeader(http.StatusForbidden)
		case "Basic hidden":
			w.WriteHeader(http.StatusNotFound)
		default:
			return false
		}
		return true
	})
	at := "/v2/a/referrers/" + subject.String()
	if got := f.do(http.MethodGet, at, nil, "Authorization", "Basic refused"); got.status != http.StatusForbidden {
		t.Errorf("refused: status %d", got.status)
	}
	if got := f.list("a", subject, "Authorization", "Basic hidden"); len(got) != 0 {
		t.Errorf("hidden: listed %v", got)
	}
}

// A push of unknown outcome is asked for by every query until it is settled.
func TestListingIsNotKeptWhileSomethingIsOpen(t *testing.T) {
	f, subject, first := keptListing(t)
	lost := referrer("lost", subject)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	f.push("a", lost)
	for range 2 {
		wantList(t, f, subject, first)
	}
	f.registry.put("a", lost)
	wantList(t, f, subject, first, lost)
}
