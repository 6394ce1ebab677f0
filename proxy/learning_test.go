package proxy_test

import (
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

// Whatever shows that a manifest is there has it listed before the client has
// its answer.
func TestWhatShowsAManifestIsLearntFrom(t *testing.T) {
	const tag = "signature"
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Header.Get("User-Agent"), "client") || r.URL.Query().Has("again") {
			return false
		}
		w.Header().Set("Location", "https://storage.example.com/x")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
	// The question of ours is no redirect here: that those are followed is
	// another matter.
	redirectOnce := func() func(w http.ResponseWriter, r *http.Request) bool {
		asked := false
		return func(w http.ResponseWriter, r *http.Request) bool {
			if asked {
				return false
			}
			asked = true
			return redirect(w, r)
		}
	}
	for _, c := range []struct {
		name, method string
		headers      []string
		hook         func(f *fixture) func(w http.ResponseWriter, r *http.Request) bool
		status       int
	}{
		{"HEAD", http.MethodHead, nil, nil, 200},
		{"GET", http.MethodGet, nil, nil, 200},
		{"not modified", http.MethodGet, []string{"If-None-Match", `"x"`}, notModified, 304},
		{"HEAD, not modified", http.MethodHead, []string{"If-None-Match", `"x"`}, notModified, 304},
		{"range", http.MethodGet, []string{"Range", "bytes=0-1"}, ranged, 206},
		{"range behind the end", http.MethodGet, []string{"Range", "bytes=99999-"}, ranged, 416},
		{"no digest stated", http.MethodHead, nil, unstated, 200},
		{"no digest stated, GET", http.MethodGet, nil, unstated, 200},
		{"compressed", http.MethodGet, []string{"Accept-Encoding", "gzip"}, compressed, 200},
		{"redirected", http.MethodGet, nil, func(*fixture) func(http.ResponseWriter, *http.Request) bool { return redirectOnce() }, 307},
	} {
		for _, by := range []string{"digest", "tag"} {
			t.Run(c.name+" by "+by, func(t *testing.T) {
				f := newFixture(t)
				subject := f.registry.put("app", image("subject"))
				signature := referrer("signature", subject)
				reference := f.registry.put("app", signature, tag).String()
				if by == "tag" {
					reference = tag
				}
				if c.hook != nil {
					f.registry.answer(c.hook(f))
				}
				got := f.do(c.method, "/v2/app/manifests/"+reference, nil, append(c.headers, "User-Agent", "client")...)
				if got.status != c.status {
					t.Fatalf("status %d, want %d", got.status, c.status)
				}
				record, err := f.store.Get(t.Context(), "app", digest.FromBytes(signature))
				if err != nil || record.Subject() != subject {
					t.Errorf("in the index: %v, %v", record, err)
				}
				if got := f.list("app", subject); !slices.Equal(got, sorted(signature)) {
					t.Errorf("listed: %v", got)
				}
			})
		}
	}
}

// changing returns a hook that changes the odd registry's
// own answer.
func changing(f *fixture, change func(w http.ResponseWriter, r *http.Request, own *httptest.ResponseRecorder)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		own := httptest.NewRecorder()
		f.registry.serve(own, r)
		for name, values := range own.Header() {
			w.Header()[name] = values
		}
		change(w, r, own)
		return true
	}
}

func notModified(f *fixture) func(http.ResponseWriter, *http.Request) bool {
	return changing(f, func(w http.ResponseWriter, r *http.Request, own *httptest.ResponseRecorder) {
		w.Header().Set("Etag", `"`+w.Header().Get("Docker-Content-Digest")+`"`)
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Del("Docker-Content-Digest")
			w.Header().Del("Content-Length")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.WriteHeader(own.Code)
		_, _ = w.Write(own.Body.Bytes())
	})
}

func ranged(f *fixture) func(http.ResponseWriter, *http.Request) bool {
	return changing(f, func(w http.ResponseWriter, r *http.Request, own *httptest.ResponseRecorder) {
		if own.Code != http.StatusOK {
			w.WriteHeader(own.Code)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(own.Body.String()))
	})
}

func unstated(f *fixture) func(http.ResponseWriter, *http.Request) bool {
	return changing(f, func(w http.ResponseWriter, _ *http.Request, own *httptest.ResponseRecorder) {
		w.Header().Del("Docker-Content-Digest")
		w.WriteHeader(own.Code)
		_, _ = w.Write(own.Body.Bytes())
	})
}

func compressed(f *fixture) func(http.ResponseWriter, *http.Request) bool {
	return changing(f, func(w http.ResponseWriter, r *http.Request, own *httptest.ResponseRecorder) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			w.WriteHeader(own.Code)
			_, _ = w.Write(own.Body.Bytes())
			return
		}
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		_, _ = packed.Write(own.Body.Bytes())
		_ = packed.Close()
	})
}

// A HEAD is answered whatever becomes of learning.
func TestHeadIsAnsweredThoughNothingIsLearnt(t *testing.T) {
	subject := digest.FromString("subject")
	for name, hook := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"can't be fetched": status(http.StatusServiceUnavailable, func(r *http.Request) bool { return r.Method == http.MethodGet }),
		"gone":             status(http.StatusNotFound, func(r *http.Request) bool { return r.Method == http.MethodGet }),
		"too large": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "99999999")
			}
			return r.Method == http.MethodHead
		},
		"no manifest": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte("{"))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			sum := f.registry.put("app", referrer("x", subject))
			f.registry.answer(hook)
			for range 2 {
				if got := f.do(http.MethodHead, "/v2/app/manifests/"+sum.String(), nil); got.status != http.StatusOK {
					t.Errorf("status %d", got.status)
				}
			}
		})
	}
	base := newFixture(t)
	f := newFixtureWith(t, blindStore{base.store})
	sum := f.registry.put("app", referrer("x", subject))
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		if got := f.do(method, "/v2/app/manifests/"+sum.String(), nil); got.status != http.StatusOK {
			t.Errorf("%s without an index: status %d", method, got.status)
		}
	}
}

// blindStore is a store that keeps nothing.
type blindStore struct{ index.Store }

func (blindStore) Observe(context.Context, index.Mark, ...index.Record) error { return errFull }

// What is known costs no further question.
func TestAKnownManifestIsNotFetchedForAHead(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	at := "/v2/app/manifests/" + f.registry.put("app", referrer("x", subject)).String()
	for range 3 {
		f.do(http.MethodHead, at, nil)
	}
	if seen := f.registry.seen(); !slices.Equal(seen, []string{"HEAD " + at, "GET " + at, "HEAD " + at, "HEAD " + at}) {
		t.Errorf("the registry was asked: %v", seen)
	}
	f.push("app", referrer("pushed", subject))
	f.registry.seen()
	f.do(http.MethodHead, "/v2/app/manifests/"+digest.FromBytes(referrer("pushed", subject)).String(), nil)
	if seen := f.registry.seen(); len(seen) != 1 {
		t.Errorf("the registry was asked: %v", seen)
	}
}

// A cached manifest that the index doesn't know is learnt of too.
func TestACachedManifestIsLearntOf(t *testing.T) {
	f := newFixture(t, cacheManifests, func(c *config.Config) { c.Permissions = config.Default().Permissions })
	subject := f.registry.put("app", image("subject"))
	signature := referrer("signature", subject)
	at := "/v2/app/manifests/" + f.registry.put("app", signature).String()
	f.do(http.MethodGet, at, nil)
	f.do(http.MethodGet, at, nil)
	if got := f.list("app", subject); !slices.Equal(got, sorted(signature)) {
		t.Errorf("listed: %v", got)
	}
}

// A push by digest on the condition that the manifest is not there shows that it
// is.
func TestALostConditionOfAPushByDigestIsLearntFrom(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	signature := referrer("signature", subject)
	f.registry.put("app", signature)
	f.registry.answer(status(http.StatusPreconditionFailed, func(r *http.Request) bool { return r.Method == http.MethodPut }))
	got := f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(signature).String(), signature, "Content-Type", imageManifest, "If-None-Match", "*")
	if got.status != http.StatusPreconditionFailed {
		t.Errorf("status %d", got.status)
	}
	if got := f.list("app", subject); !slices.Equal(got, sorted(signature)) {
		t.Errorf("listed: %v", got)
	}
}
