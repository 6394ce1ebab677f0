package proxy_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/proxy"
)

// The registry gets a client's cookies, but for those of the web page, which a browser
// sends to all of a host.
func TestSessionsOfPagesStayHere(t *testing.T) {
	f := newFixture(t)
	var got []string
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		got = r.Header["Cookie"]
		return false
	})
	for given, want := range map[string]string{
		"a=b": "a=b", "a=b; backref_admin_session=secret; c=d": "a=b; c=d", "__Secure-backref_session=secret": "", "backref_x=1;backref_y=2": "",
	} {
		f.do(http.MethodGet, "/v2/app/blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", nil, "Cookie", given)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0] != want) {
			t.Errorf("%q: the registry gets %q, want %q", given, got, want)
		}
	}
}

// What a page answers shows nothing of the credentials in the header: whoever makes up
// new ones for each request is still one client.
func TestPagesProveNoCredentials(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	withPages := func(o *proxy.Options) {
		o.Pages = func(*proxy.Proxy) (http.Handler, error) {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil
		}
	}
	f := newFixtureOf(t, store, withPages, func(cfg *config.Config) { cfg.Limits.ClientRate, cfg.Limits.ClientBurst = 1, 3 })
	refused := 0
	for _, made := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		f.do(http.MethodGet, "/_backref/ui/x", nil, "Authorization", "Basic "+made)
		if f.do(http.MethodGet, "/_backref/ui/x", nil, "Authorization", "Basic "+made).status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("%d of 8 were refused", refused)
	}
}
