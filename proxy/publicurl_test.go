package proxy_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// trusting believes proxies on this machine.
func trusting(c *config.Config) {
	c.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// public sets server.publicURL.
func public(text string) func(*config.Config) {
	return func(c *config.Config) {
		u, err := url.Parse(text)
		if err != nil {
			panic(err)
		}
		c.Server.PublicURL = u
	}
}

func below(path string) func(*config.Config) {
	return func(c *config.Config) { c.Upstream.URL = c.Upstream.URL.JoinPath(path) }
}

func TestLinksLeadBackToUs(t *testing.T) {
	prefixed := []string{"X-Forwarded-Prefix", "/registry/"}
	for _, c := range []struct {
		name      string
		configure []func(*config.Config)
		headers   []string
		header    string
		sent      string
		want      string
	}{
		{"ours", nil, nil, "Location", "UP/v2/a/blobs/uploads/1?_state=a%2Fb%3D", "/v2/a/blobs/uploads/1?_state=a%2Fb%3D"},
		{"relative", nil, nil, "Location", "/v2/a/blobs/uploads/1?_state=x", "/v2/a/blobs/uploads/1?_state=x"},
		{"relative to the path", nil, nil, "Location", "1?_state=x", "1?_state=x"},
		{"without a scheme", nil, nil, "Location", "//UPHOST/v2/x", "/v2/x"},
		{"storage", nil, nil, "Location", "https://bucket.example.com/x?sig=1", "https://bucket.example.com/x?sig=1"},
		{"another port", nil, nil, "Location", "http://127.0.0.1:1/v2/", "http://127.0.0.1:1/v2/"},
		{"link", nil, nil, "Link", `<UP/v2/_catalog?last=a&n=1>; rel="next"`, `</v2/_catalog?last=a&n=1>; rel="next"`},
		{"links", nil, nil, "Link", `</a>; rel="x", <UP/b>; rel="next"`, `</a>; rel="x", </b>; rel="next"`},
		{"behind a proxy", nil, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com"}, "Location", "UP/v2/x", "/v2/x"},

		{"prefix of anybody", nil, prefixed, "Location", "UP/v2/x", "/v2/x"},
		{"prefix of a proxy", []func(*config.Config){trusting}, prefixed, "Location", "UP/v2/x?y=z", "/registry/v2/x?y=z"},
		{"prefix, relative", []func(*config.Config){trusting}, prefixed, "Location", "/v2/x", "/registry/v2/x"},
		{"prefix, relative to the path", []func(*config.Config){trusting}, prefixed, "Location", "1?x", "1?x"},
		{"prefix, link", []func(*config.Config){trusting}, prefixed, "Link", `</v2/_catalog?n=1>; rel="next"`, `</registry/v2/_catalog?n=1>; rel="next"`},
		{"prefix, storage", []func(*config.Config){trusting}, prefixed, "Location", "https://bucket.example.com/x", "https://bucket.example.com/x"},
		{"prefixes of several", []func(*config.Config){trusting}, []string{"X-Forwarded-Prefix", "/a/b, /c"}, "Location", "UP/v2/x", "/a/b/c/v2/x"},
		{"prefix that is none", []func(*config.Config){trusting}, []string{"X-Forwarded-Prefix", "//evil.example"}, "Location", "UP/v2/x", "/v2/x"},
		{"prefix with dots", []func(*config.Config){trusting}, []string{"X-Forwarded-Prefix", "/a/../b"}, "Location", "UP/v2/x", "/v2/x"},
		{"prefix with a query", []func(*config.Config){trusting}, []string{"X-Forwarded-Prefix", "/a?b"}, "Location", "UP/v2/x", "/v2/x"},
		{"public URL", []func(*config.Config){public("https://r.example.com/registry/")}, nil, "Location", "UP/v2/x", "/registry/v2/x"},
		{"public URL before all", []func(*config.Config){trusting, public("https://r.example.com")}, prefixed, "Location", "UP/v2/x", "/v2/x"},

		{"registry below a path", []func(*config.Config){below("api/docker")}, nil, "Location", "UP/api/docker/v2/x", "/v2/x"},
		{"registry below a path, relative", []func(*config.Config){below("api/docker")}, nil, "Location", "/api/docker/v2/x", "/v2/x"},
		{"both below a path", []func(*config.Config){below("api/docker"), trusting}, prefixed, "Location", "/api/docker/v2/x", "/registry/v2/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.configure...)
			names := strings.NewReplacer("UPHOST", strings.TrimPrefix(f.upstreamURL, "http://"), "UP", f.upstreamURL)
			f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set(c.header, names.Replace(c.sent))
				return true
			})
			if got, want := f.do(http.MethodGet, "/v2/", nil, c.headers...).header.Get(c.header), names.Replace(c.want); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// The links that backref makes itself lead below the prefix too.
func TestOurLinksHaveThePrefix(t *testing.T) {
	f := newFixture(t, trusting)
	subject := f.registry.put("a", []byte(`{"schemaVersion":2,"mediaType":"`+imageManifest+`"}`))
	for i := range 2 {
		body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"a/%d","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"subject":{"mediaType":%[1]q,"digest":%[3]q,"size":1}}`,
			imageManifest, i, subject)
		if got := f.do(http.MethodPut, "/v2/a/manifests/"+digest.FromString(body).String(), []byte(body), "Content-Type", imageManifest); got.status != http.StatusCreated {
			t.Fatalf("push: %d %s", got.status, got.body)
		}
	}
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			_, _ = w.Write([]byte(`{"name":"a","tags":["1","2","3"]}`))
			return true
		}
		return false
	})
	for _, path := range []string{"/v2/a/referrers/" + subject.String() + "?n=1", "/v2/a/tags/list?n=1"} {
		for _, prefix := range []string{"", "/registry", ""} {
			link := f.do(http.MethodGet, path, nil, "X-Forwarded-Prefix", prefix).header.Get("Link")
			if !strings.HasPrefix(link, "<"+prefix+"/v2/a/") {
				t.Errorf("%s below %q: Link %q", path, prefix, link)
			}
		}
	}
}

func TestRealmIsWhatTheClientUses(t *testing.T) {
	tokens := newTokenService(t)
	for _, c := range []struct {
		name      string
		configure []func(*config.Config)
		headers   []string
		want      string
	}{
		{"direct", nil, nil, "http://HERE"},
		{"not trusted", nil, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com", "X-Forwarded-Prefix", "/x"}, "http://HERE"},
		{"trusted", []func(*config.Config){trusting}, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com"}, "https://r.example.com"},
		{"first of several", []func(*config.Config){trusting}, []string{"X-Forwarded-Proto", "https, http"}, "https://HERE"},
		{"RFC 7239", []func(*config.Config){trusting}, []string{"Forwarded", `for=192.0.2.1;proto=https;host="r.example.com:8443"`}, "https://r.example.com:8443"},
		{"not a host", []func(*config.Config){trusting}, []string{"X-Forwarded-Host", "a/b"}, "http://HERE"},
		{"port", []func(*config.Config){trusting}, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com", "X-Forwarded-Port", "8443"}, "https://r.example.com:8443"},
		{"port of IPv6", []func(*config.Config){trusting}, []string{"X-Forwarded-Host", "[2001:db8::1]", "X-Forwarded-Port", "81"}, "http://[2001:db8::1]:81"},
		{"port of another hop", []func(*config.Config){trusting}, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com", "X-Forwarded-Port", "80"}, "https://r.example.com"},
		{"port that is none", []func(*config.Config){trusting}, []string{"X-Forwarded-Host", "r.example.com", "X-Forwarded-Port", "8/x"}, "http://r.example.com"},
		{"port given twice", []func(*config.Config){trusting}, []string{"X-Forwarded-Host", "r.example.com:1", "X-Forwarded-Port", "2"}, "http://r.example.com:1"},
		{"prefix", []func(*config.Config){trusting}, []string{"X-Forwarded-Host", "r.example.com", "X-Forwarded-Prefix", "/registry"}, "http://r.example.com/registry"},
		{"public URL", []func(*config.Config){trusting, public("https://r.example.com:8443/a/")}, []string{"X-Forwarded-Host", "other"}, "https://r.example.com:8443/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, append(c.configure, rewriting)...)
			f.challenging(`Bearer realm="`+tokens.URL+`"`, `Bearer realm="`+tokens.URL+`"`)
			want := `Bearer realm="` + strings.ReplaceAll(c.want, "HERE", strings.TrimPrefix(f.url, "http://")) + `/_backref/token"`
			if got := f.do(http.MethodGet, "/v2/", nil, c.headers...).header.Get("Www-Authenticate"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestTheOperatorIsToldOnceOfProxies(t *testing.T) {
	tokens := newTokenService(t)
	for _, c := range []struct {
		name      string
		configure func(*config.Config)
		headers   []string
		want      string
	}{
		{"TLS, not trusted", func(*config.Config) {}, []string{"X-Forwarded-Proto", "https"}, "server.trustedProxies"},
		{"TLS, not trusted, RFC 7239", func(*config.Config) {}, []string{"Forwarded", "for=192.0.2.1;proto=https"}, "server.trustedProxies"},
		{"no TLS", func(*config.Config) {}, []string{"X-Forwarded-Proto", "http"}, ""},
		{"trusted", trusting, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "r.example.com"}, ""},
		{"trusted, without its name", trusting, []string{"X-Forwarded-Proto", "https"}, "server.publicURL"},
		{"public URL", public("https://r.example.com"), []string{"X-Forwarded-Proto", "https"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.configure, rewriting)
			f.challenging(`Bearer realm="`+tokens.URL+`"`, `Bearer realm="`+tokens.URL+`"`)
			for range 3 {
				f.do(http.MethodGet, "/v2/", nil, c.headers...)
			}
			lines := f.warnings.All()
			switch {
			case c.want == "" && len(lines) != 0, c.want != "" && len(lines) != 1:
				t.Errorf("%d lines: %v", len(lines), lines)
			case c.want != "" && !strings.Contains(lines[0].Message, c.want):
				t.Errorf("%s", lines[0].Message)
			}
		})
	}
}
