package proxy_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap/zaptest"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/upstream"
)

// replica starts another proxy in front of the registry of a fixture, with its
// store and a clock.
func (f *fixture) replica(now func() time.Time) *fixture {
	f.t.Helper()
	cfg := config.Default()
	base, err := url.Parse(f.upstreamURL)
	if err != nil {
		f.t.Fatal(err)
	}
	cfg.Upstream.URL = base
	behind, err := upstream.New(upstream.Options{URL: base})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(behind.Close)
	door, err := options.Proxy(cfg, f.store, behind, zaptest.NewLogger(f.t))
	if err != nil {
		f.t.Fatal(err)
	}
	door.Registry.Now = now
	handler, err := proxy.New(door)
	if err != nil {
		f.t.Fatal(err)
	}
	front := httptest.NewServer(handler)
	f.t.Cleanup(front.Close)
	other := *f
	other.proxy, other.url = handler, front.URL
	return &other
}

func TestAServedListingIsFoundByItsDigest(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	f.push("app", referrer("one", subject))
	first, _ := f.underTag("app", subject)
	f.push("app", referrer("two", subject))
	second, _ := f.underTag("app", subject)

	later := f.replica(func() time.Time { return time.Now().Add(59 * time.Minute) })
	tooLate := f.replica(func() time.Time { return time.Now().Add(3 * time.Hour) })
	for _, listing := range []reply{first, second} {
		path := "/v2/app/manifests/" + listing.header.Get("Docker-Content-Digest")
		for name, replica := range map[string]*fixture{"the same": f, "another": later} {
			got := replica.do(http.MethodGet, path, nil)
			if got.status != http.StatusOK || string(got.body) != string(listing.body) {
				t.Errorf("through %s: status %d: %s", name, got.status, got.body)
			}
			f.wantManifest(got, listing.body)
			head := replica.do(http.MethodHead, path, nil)
			if head.status != http.StatusOK {
				t.Errorf("HEAD through %s: status %d", name, head.status)
			}
			f.wantManifest(head, listing.body)
		}
		for name, got := range map[string]reply{
			"too late":              tooLate.do(http.MethodGet, path, nil),
			"in another repository": f.do(http.MethodGet, "/v2/other/manifests/"+listing.header.Get("Docker-Content-Digest"), nil),
		} {
			if got.status != http.StatusNotFound {
				t.Errorf("%s: status %d", name, got.status)
			}
		}
	}
}

// Who read the subject no longer, because it has gone, reads a referrer.
func TestAServedListingWithoutItsSubject(t *testing.T) {
	f := newFixture(t)
	subject := digest.FromString("a subject that is not there")
	f.push("app", referrer("one", subject))
	listing, _ := f.underTag("app", subject)
	if got := f.do(http.MethodGet, "/v2/app/manifests/"+listing.header.Get("Docker-Content-Digest"), nil); got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// A client that keeps the tag deletes what it read there once it has written
// its own.
func TestAServedListingCanBeDeleted(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	one := referrer("one", subject)
	f.push("app", one)
	// The odd registry says 202 whatever is deleted; real ones don't.
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		f.registry.mutex.Lock()
		_, found := f.registry.manifests["app@"+r.URL.Path[len("/v2/app/manifests/"):]]
		f.registry.mutex.Unlock()
		if !found {
			http.NotFound(w, r)
		}
		return !found
	})
	listing, _ := f.underTag("app", subject)
	path := "/v2/app/manifests/" + listing.header.Get("Docker-Content-Digest")
	for range 2 {
		if got := f.do(http.MethodDelete, path, nil); got.status != http.StatusAccepted || len(got.body) > 0 {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	}
	if got := f.list("app", subject); !slices.Equal(got, sorted(one)) {
		t.Errorf("got %v", got)
	}
	if got := f.do(http.MethodDelete, "/v2/app/manifests/"+digest.FromString("made up").String(), nil); got.status != http.StatusNotFound {
		t.Errorf("what nobody served: status %d", got.status)
	}
	// The registry may have the very same by now.
	f.registry.put("app", listing.body)
	f.registry.seen()
	if got := f.do(http.MethodDelete, path, nil); got.status != http.StatusAccepted {
		t.Errorf("what the registry has: status %d", got.status)
	}
	f.registry.answer(nil)
	f.registry.mutex.Lock()
	defer f.registry.mutex.Unlock()
	if _, there := f.registry.manifests["app@"+listing.header.Get("Docker-Content-Digest")]; there {
		t.Error("the registry has it still")
	}
}

// keepingStore counts what is kept.
type keepingStore struct {
	index.Store
	index.Listings
	kept *int
}

func (s keepingStore) SaveListing(ctx context.Context, listing index.ServedListing, now time.Time, most int64) error {
	*s.kept++
	return s.Listings.SaveListing(ctx, listing, now, most)
}

func TestAListingThatIsReadAgainIsKeptOnce(t *testing.T) {
	store, kept := newFixture(t).store, 0
	f := newFixtureWith(t, keepingStore{store, store.(index.Listings), &kept})
	subject := f.registry.put("app", image("subject"))
	f.push("app", referrer("one", subject))
	for range 10 {
		f.underTag("app", subject)
	}
	if kept != 1 {
		t.Errorf("kept %d times", kept)
	}
	f.push("app", referrer("two", subject))
	f.underTag("app", subject)
	if kept != 2 {
		t.Errorf("kept %d times", kept)
	}
}
