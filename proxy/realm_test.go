package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// tokenService records what it is asked.
type tokenService struct {
	*httptest.Server
	mutex sync.Mutex
	seen  []string
	// redirect is where it sends its clients; empty for nowhere.
	redirect string
}

func newTokenService(t *testing.T) *tokenService {
	t.Helper()
	s := &tokenService{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.seen = append(s.seen, strings.Join([]string{
			r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Cookie"), string(body),
		}, "|"))
		if s.redirect != "" {
			http.Redirect(w, r, s.redirect, http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, `{"token":"t"}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenService) requests() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// challenging has the registry answer everything with a challenge; that of
// /v2/ may be another.
func (f *fixture) challenging(base, others string) {
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		challenge := others
		if r.URL.Path == "/v2/" {
			challenge = base
		}
		w.Header().Set("Www-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

func rewriting(cfg *config.Config) {
	cfg.Auth.Realm, cfg.Auth.RecheckRealm = config.RealmRewrite, 0
}

func TestRealmIsRewritten(t *testing.T) {
	tokens, other := newTokenService(t), newTokenService(t)
	f := newFixture(t, rewriting)
	ours := `Bearer realm="` + f.url + `/_backref/token"`
	base := `Bearer realm="` + tokens.URL + `/auth?kind=a"`
	for challenge, want := range map[string]string{
		base + `,service="s",scope="repository:app:pull"`:              ours + `,service="s",scope="repository:app:pull"`,
		`bearer service="s", Realm = "` + tokens.URL + `/auth?kind=a"`: `bearer service="s", Realm = "` + f.url + `/_backref/token"`,
		`Basic realm="b", ` + base + `, error="x"`:                     `Basic realm="b", ` + ours + `, error="x"`,
		`Bearer realm="` + other.URL + `/auth"`:                        `Bearer realm="` + other.URL + `/auth"`,
		`Bearer realm="` + tokens.URL + `/else"`:                       `Bearer realm="` + tokens.URL + `/else"`,
		`Basic realm="` + tokens.URL + `/auth?kind=a"`:                 `Basic realm="` + tokens.URL + `/auth?kind=a"`,
		`Bearer realm="` + tokens.URL + `/auth?kind=a`:                 `Bearer realm="` + tokens.URL + `/auth?kind=a`,
	} {
		f.challenging(base, challenge)
		for _, path := range []string{"/v2/app/manifests/v1", "/v2/app/referrers/sha256:" + strings.Repeat("a", 64)} {
			if got := f.do(http.MethodGet, path, nil).header.Get("Www-Authenticate"); got != want {
				t.Errorf("%s: got  %s\nwant %s", path, got, want)
			}
		}
	}
}

func TestTokenRequestsGoToTheServiceAlone(t *testing.T) {
	tokens, elsewhere := newTokenService(t), newTokenService(t)
	f := newFixture(t, rewriting)
	f.challenging(`Bearer realm="`+tokens.URL+`/auth?kind=a",service="s"`, "Basic")

	// Whatever a client names, the registry's own word decides.
	f.do(http.MethodGet, "/v2/", nil, "X-Forwarded-Host", "elsewhere", "Forwarded", "host=elsewhere")
	got := f.do(http.MethodGet, "/_backref/token?service=s&scope=repository%3Aapp%3Apull&scope=x&realm="+elsewhere.URL, nil,
		"Authorization", "Basic YTpi", "Cookie", "session=1", "X-Forwarded-Host", strings.TrimPrefix(elsewhere.URL, "http://"))
	if got.status != http.StatusOK || string(got.body) != `{"token":"t"}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
	f.do(http.MethodPost, "/_backref/token", []byte("grant_type=password&password=p"), "Content-Type", "application/x-www-form-urlencoded")
	want := []string{
		"GET|/auth?kind=a&service=s&scope=repository%3Aapp%3Apull&scope=x&realm=" + elsewhere.URL + "|Basic YTpi||",
		"POST|/auth?kind=a|||grant_type=password&password=p",
	}
	if seen := tokens.requests(); len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
		t.Errorf("the token service saw %q", seen)
	}
	if got := f.do(http.MethodPut, "/_backref/token", nil); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %d", got.status)
	}

	tokens.redirect = elsewhere.URL
	got = f.do(http.MethodPost, "/_backref/token", []byte("password=p"), "Authorization", "Basic YTpi")
	if got.status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect: %d", got.status)
	}
	if seen := elsewhere.requests(); len(seen) != 0 {
		t.Errorf("another host saw %q", seen)
	}
}

func TestUnusableTokenServices(t *testing.T) {
	f := newFixture(t, rewriting)
	for _, challenge := range []string{
		"", `Basic realm="http://127.0.0.1/"`, `Bearer realm="token"`, `Bearer realm="file:///etc/passwd"`,
		`Bearer realm="http://user:pass@127.0.0.1/"`, `Bearer realm="http://169.254.169.254/latest/meta-data"`,
		`Bearer realm="http://[fe80::1]/"`, `Bearer realm="http://[::ffff:169.254.169.254]/"`, `Bearer realm="http://0.0.0.0/"`,
	} {
		f.challenging(challenge, challenge)
		got := f.do(http.MethodGet, "/_backref/token", nil, "Authorization", "Basic YTpi")
		if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" || !strings.Contains(string(got.body), "auth.realm") {
			t.Errorf("%s: %d %s", challenge, got.status, got.body)
		}
	}
}

// With auth.realm: keep the path is the registry's, like any other.
func TestRealmIsKept(t *testing.T) {
	f := newFixture(t)
	f.challenging(`Bearer realm="https://tokens.example.com/"`, `Bearer realm="https://tokens.example.com/"`)
	got := f.do(http.MethodGet, "/_backref/token", nil)
	if got.status != http.StatusUnauthorized || got.header.Get("Www-Authenticate") != `Bearer realm="https://tokens.example.com/"` {
		t.Errorf("got %d %q", got.status, got.header)
	}
}

func TestRealmIsRemembered(t *testing.T) {
	tokens := newTokenService(t)
	f := newFixture(t, rewriting, func(cfg *config.Config) { cfg.Auth.RecheckRealm = time.Hour })
	f.challenging(`Bearer realm="`+tokens.URL+`"`, "Basic")
	for range 3 {
		f.do(http.MethodGet, "/_backref/token", nil)
	}
	if seen := f.registry.seen(); len(seen) != 1 {
		t.Errorf("the registry was asked %v", seen)
	}
}
