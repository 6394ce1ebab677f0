package requirements

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/test/rig"
)

// metric returns the value of a line in /metrics; 0 where there is none.
func metric(t *testing.T, backref *rig.Backref, name string) float64 {
	t.Helper()
	body := rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Want(t, http.StatusOK).Body
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// limited returns how many requests reached a limit.
func limited(t *testing.T, backref *rig.Backref, limit string) float64 {
	t.Helper()
	return metric(t, backref, `backref_limited_total{limit="limits.`+limit+`"}`)
}

// wantLimited fails the test where an answer is not that of a limit.
func wantLimited(t *testing.T, reply rig.Reply, status int, code string) {
	t.Helper()
	wait, err := strconv.Atoi(reply.Header.Get("Retry-After"))
	if reply.Status != status || err != nil || wait < 1 || !strings.Contains(string(reply.Body), `{"errors":[{"code":"`+code+`","message":"`) {
		t.Errorf("got %d, Retry-After %q: %s", reply.Status, reply.Header.Get("Retry-After"), reply.Body)
	}
}

// Too many requests a second are refused, and pass a little later. Operators
// are not limited.
func TestRateLimits(t *testing.T) {
	for _, c := range []struct {
		limit, burst string
		status       int
		code         string
	}{
		{"clientRate", "clientBurst", http.StatusTooManyRequests, "TOOMANYREQUESTS"},
		{"rate", "burst", http.StatusServiceUnavailable, "UNAVAILABLE"},
	} {
		t.Run(c.limit, func(t *testing.T) {
			s := newStage(t, rig.Distribution2, "--set", "limits."+c.limit+"=1", "--set", "limits."+c.burst+"=20")
			var refused rig.Reply
			rig.Eventually(t, "a request is refused", func() bool {
				refused = rig.Do(t, http.MethodGet, s.backref.URL+"/v2/", nil)
				return refused.Status != http.StatusOK
			})
			wantLimited(t, refused, c.status, c.code)
			if limited(t, s.backref, c.limit) == 0 {
				t.Error("nothing was counted")
			}
			for range 50 {
				rig.Do(t, http.MethodGet, s.backref.AdminURL+"/livez", nil).Want(t, http.StatusOK)
			}
			rig.Eventually(t, "a request passes again", func() bool {
				return rig.Do(t, http.MethodGet, s.backref.URL+"/v2/", nil).Status == http.StatusOK
			})
		})
	}
}

// held is a stage whose registry answers nothing below /v2/held/ until it is
// released.
type held struct {
	registry *rig.Registry
	backref  *rig.Backref
	release  func()
	waiting  sync.WaitGroup
}

func newHeld(t *testing.T, args ...string) *held {
	t.Helper()
	h := &held{registry: rig.NewRegistry(t, rig.Distribution2)}
	relay := rig.NewRelay(t, h.registry.URL)
	released := make(chan struct{})
	h.release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(h.release)
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/held/") {
			<-released
		}
		return false
	})
	h.backref = rig.NewBackref(t, relay.URL, args...)
	return h
}

// hold begins requests that wait for the registry.
func (h *held) hold(t *testing.T, count int, headers ...string) {
	t.Helper()
	for range count {
		h.waiting.Go(func() {
			if reply, err := rig.Send(t, http.MethodGet, h.backref.URL+"/v2/held/tags/list", nil, headers...); err != nil || reply.Status != http.StatusNotFound {
				t.Errorf("a request that was let in: %d, %v", reply.Status, err)
			}
		})
	}
	rig.Eventually(t, "the requests are under way", func() bool {
		return metric(t, h.backref, "backref_requests_in_flight") == float64(count)
	})
}

// Too many requests at once are refused, and pass when others are over.
func TestConcurrencyLimit(t *testing.T) {
	h := newHeld(t, "--set", "limits.concurrency=3")
	h.hold(t, 3)
	wantLimited(t, rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil), http.StatusServiceUnavailable, "UNAVAILABLE")
	h.release()
	h.waiting.Wait()
	rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil).Want(t, http.StatusOK)
	if got := limited(t, h.backref, "concurrency"); got != 1 {
		t.Errorf("counted %v", got)
	}
}

// What one client uses up is not taken from another that the registry has
// accepted; credentials that are new don't make another client.
func TestClientsAreToldApart(t *testing.T) {
	h := newHeld(t, "--set", "limits.clientConcurrency=2")
	rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil, "Authorization", basicAuthorization("known")).Want(t, http.StatusOK)
	h.hold(t, 2)
	wantLimited(t, rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil), http.StatusTooManyRequests, "TOOMANYREQUESTS")
	wantLimited(t, rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil, "Authorization", basicAuthorization("new")), http.StatusTooManyRequests, "TOOMANYREQUESTS")
	rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil, "Authorization", basicAuthorization("known")).Want(t, http.StatusOK)
	h.release()
	h.waiting.Wait()
	rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil).Want(t, http.StatusOK)
}

func basicAuthorization(user string) string {
	return fmt.Sprintf("Basic %x", user)
}

// A client behind a trusted proxy is known by the address that it says; others
// can't choose theirs.
func TestForwardedClients(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		var args []string
		if trusted {
			args = []string{"--set", "server.trustedProxies=127.0.0.0/8"}
		}
		h := newHeld(t, append(args, "--set", "limits.clientConcurrency=1")...)
		h.hold(t, 1, "X-Forwarded-For", "2001:db8::1")
		same := rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil, "X-Forwarded-For", "203.0.113.9, 2001:db8::2, 127.0.0.9")
		other := rig.Do(t, http.MethodGet, h.backref.URL+"/v2/", nil, "X-Forwarded-For", "2001:db8:0:1::1")
		if (same.Status == http.StatusTooManyRequests) != true || (other.Status == http.StatusTooManyRequests) == trusted {
			t.Errorf("trusted %t: the same network %d, another one %d", trusted, same.Status, other.Status)
		}
		h.release()
		h.waiting.Wait()
	}
}

// A larger page than limits.pageSize is not to be had; what is missing comes
// with the next.
func TestPageSizeLimit(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("image")
		for _, tag := range []string{"a", "b", "c"} {
			rig.Push(t, s.backref.URL, "app", tag, image).Want(t, http.StatusCreated)
		}
		for _, name := range []string{"x", "y", "z"} {
			rig.Push(t, s.backref.URL, "app", "", rig.Artifact("application/vnd.example", name, image.Descriptor())).Want(t, http.StatusCreated)
		}
		for _, n := range []string{"3", "1000000", "99999999999999999999"} {
			page := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/tags/list?n="+n, nil).Want(t, http.StatusOK)
			if !strings.Contains(string(page.Body), `["a","b"]`) || page.Header.Get("Link") == "" {
				t.Errorf("n=%s: Link %q, %s", n, page.Header.Get("Link"), page.Body)
			}
			if got := rig.Listing(t, s.backref.URL, "app", image.Digest(), "n="+n); len(got) != 3 {
				t.Errorf("n=%s: %d referrers on all pages", n, len(got))
			}
		}
		if got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/tags/list?n=1", nil); !strings.Contains(string(got.Body), `["a"]`) {
			t.Errorf("n=1: %s", got.Body)
		}
		if got := limited(t, s.backref, "pageSize"); got < 6 {
			t.Errorf("counted %v", got)
		}
	}, "--set", "limits.pageSize=2")
}

// A manifest that is too large is refused, whatever its length is said to be.
func TestManifestSizeLimit(t *testing.T) {
	s := newStage(t, rig.Distribution2, "--set", "limits.manifestSize=2KiB")
	large := rig.Image(strings.Repeat("x", 4<<10))
	refused := rig.Push(t, s.backref.URL, "app", "large", large).Want(t, http.StatusRequestEntityTooLarge)
	if !strings.Contains(string(refused.Body), "SIZE_INVALID") {
		t.Errorf("got %s", refused.Body)
	}
	rig.Push(t, s.backref.URL, "app", "small", rig.Image("small")).Want(t, http.StatusCreated)
	if tags := rig.Tags(t, s.registry.URL, "app"); !slices.Equal(tags, []string{"small"}) {
		t.Errorf("the registry has %v", tags)
	}
	if got := limited(t, s.backref, "manifestSize"); got != 1 {
		t.Errorf("counted %v", got)
	}
}
