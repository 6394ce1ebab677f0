package proxy_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// behindAnother is the configuration of a proxy that believes another before
// it, and remembers who may read.
func behindAnother(c *config.Config) {
	c.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Permissions = config.Default().Permissions
	c.Cache.Manifests, c.Cache.ManifestTTL = 1<<20, time.Hour
}

// A registry that judges by address or by program judges whom a listing is
// shown to, whoever was let in before with the same credentials.
func TestListingsAreForWhomTheRegistryWouldAnswer(t *testing.T) {
	for name, refuse := range map[string]func(r *http.Request) bool{
		"address": func(r *http.Request) bool { return !strings.HasPrefix(r.Header.Get("X-Forwarded-For"), "192.0.2.1, ") },
		"program": func(r *http.Request) bool { return r.Header.Get("User-Agent") != "oras/1" },
		"name":    func(r *http.Request) bool { return r.URL.Query().Get("ns") == "other.example" },
	} {
		for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				f := newFixture(t, behindAnother, func(c *config.Config) { c.Upstream.Namespaces = []string{"one.example", "other.example"} })
				subject := f.registry.put("app", image("subject"))
				f.push("app", referrer("signature", subject))
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					if refuse(r) {
						w.WriteHeader(status)
						return true
					}
					return false
				})
				ask := func(rest, address, program, ns string) reply {
					return f.do(http.MethodGet, "/v2/app/"+rest+"?ns="+ns, nil, "Authorization", "Bearer same", "X-Forwarded-For", address, "User-Agent", program)
				}
				listing := "referrers/" + subject.String()
				for range 2 {
					if got := ask(listing, "192.0.2.1", "oras/1", "one.example"); got.status != http.StatusOK || !strings.Contains(string(got.body), "signature") {
						t.Fatalf("who may read: %d %s", got.status, got.body)
					}
					ask("manifests/"+subject.String(), "192.0.2.1", "oras/1", "one.example")
				}
				for _, rest := range []string{listing, "manifests/" + subject.String()} {
					got := ask(rest, "192.0.2.66", "curl/8", "other.example")
					if want := map[bool]int{true: http.StatusOK, false: status}[status == http.StatusNotFound && rest == listing]; got.status != want || strings.Contains(string(got.body), "signature") {
						t.Errorf("%s, who may not: %d %s", rest, got.status, got.body)
					}
				}
			})
		}
	}
}

// Our questions say of the client what its own requests would.
func TestQuestionsAreAsTheClientsOwn(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){"believed": behindAnother, "not believed": func(*config.Config) {}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, configure)
			subject := f.registry.put("app", image("subject"), "v1")
			var mutex sync.Mutex
			seen := map[string][]string{}
			f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
				mutex.Lock()
				defer mutex.Unlock()
				said := strings.Join(r.Header["X-Forwarded-For"], "|") + " " + strings.Join(r.Header["User-Agent"], "|") + " " + r.Header.Get("Authorization")
				if !slices.Contains(seen[r.URL.Path], said) {
					seen[r.URL.Path] = append(seen[r.URL.Path], said)
				}
				return false
			})
			headers := []string{"Authorization", "Bearer x", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "192.0.2.2, 192.0.2.3", "User-Agent", "oras/1"}
			f.do(http.MethodHead, "/v2/app/blobs/"+subject.String(), nil, headers...)
			for _, path := range []string{
				"/v2/app/referrers/" + subject.String(), "/v2/app/_backref/catalog/tags", "/v2/app/_backref/graph/tree?subject=v1",
			} {
				f.do(http.MethodGet, path, nil, headers...)
			}
			f.do(http.MethodPut, "/v2/app/manifests/v1", image("other"), append(headers, "Content-Type", imageManifest, "If-None-Match", "*")...)
			f.do(http.MethodDelete, "/v2/app/manifests/v1", nil, headers...)
			f.do(http.MethodGet, "/v2/app/manifests/"+subject.String(), nil, headers...)
			want := seen["/v2/app/blobs/"+subject.String()]
			if len(want) != 1 || len(seen) < 4 {
				t.Fatalf("seen: %v", seen)
			}
			for path, said := range seen {
				if !slices.Equal(said, want) {
					t.Errorf("%s: %q, the client's own says %q", path, said, want)
				}
			}
		})
	}
}
