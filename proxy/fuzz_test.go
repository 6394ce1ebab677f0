package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// fuzzed returns a proxy that parses, and asks nobody.
func fuzzed(f *testing.F) *Proxy {
	f.Helper()
	base := &url.URL{Scheme: "http", Host: "registry.example", Path: "/base"}
	behind, err := upstream.New(upstream.Options{URL: base})
	if err != nil {
		f.Fatal(err)
	}
	p, err := New(Options{
		Registry:    registry.Options{Index: struct{ index.Store }{}, Upstream: behind, Log: zap.NewNop()},
		UpstreamURL: base, ValidPrefix: config.ValidPrefix, Limits: Limits{ResponseSize: 4 << 20, CatalogTags: 1, QueryTime: time.Second},
	})
	if err != nil {
		f.Fatal(err)
	}
	return p
}

// FuzzLinks checks that rewriting the links of a registry keeps what leads
// elsewhere, and never makes one header two.
func FuzzLinks(f *testing.F) {
	for _, seed := range []string{
		"http://registry.example/base/v2/a/blobs/uploads/x?_state=y", "/base/v2/", "/v2/", "https://storage.example/x", "//registry.example/base/v2/",
		"http://registry.example/base/../v2/", "http://registry.example/baseless/v2/", `</base/v2/>; rel="next", <x>`, "%", "http://registry.example:80/base/v2/%2e%2e",
	} {
		f.Add(seed)
	}
	p := fuzzed(f)
	r := httptest.NewRequest(http.MethodGet, "http://proxy.example/v2/", nil)
	f.Fuzz(func(t *testing.T, value string) {
		if strings.ContainsAny(value, "\r\n\x00") {
			return // No HTTP client passes such a header on.
		}
		header := http.Header{"Location": {value}, "Link": {value}}
		p.rewriteLinks(header, r)
		for name, values := range header {
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
				t.Errorf("%q became %s %q", value, name, values)
			}
		}
		before, err := url.Parse(value)
		after, errAfter := url.Parse(header.Get("Location"))
		if err == nil && (errAfter != nil || before.Host != after.Host && after.Host != "") {
			t.Errorf("%q became %q", value, header.Get("Location"))
		}
		_, _ = foreignLocation(header)
	})
}

// FuzzHeaders checks that nothing that speaks of one connection passes on,
// whatever the Connection header names, and that what was acted upon does.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{"close", "keep-alive, Upgrade", "authorization", " x-test ,, Content-Type", "X-Forwarded-For", ","} {
		f.Add(seed, "for=1.2.3.4;host=evil.example;proto=https")
	}
	p := fuzzed(f)
	f.Fuzz(func(t *testing.T, connection, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "http://proxy.example/v2/", nil)
		r.Header = http.Header{"Connection": {connection}, "Forwarded": {forwarded}, "Authorization": {"Basic x"}, "Upgrade": {"h2c"}, "X-Forwarded-Host": {forwarded}}
		if checkConnection(r.Header) != nil {
			return
		}
		out := p.upstreamHeader(r)
		if out.Get("Authorization") == "" || out.Get("Upgrade") != "" || out.Get("Connection") != "" || out.Get("X-Forwarded-Host") != "" || out.Get("Forwarded") != "" {
			t.Errorf("%q: %v", connection, out)
		}
		if scheme, host := p.clientBase(r); scheme != "http" || host != "proxy.example" {
			t.Errorf("%q made it %s://%s", forwarded, scheme, host)
		}
	})
}

// FuzzForwarded checks that whatever a trusted proxy says, clients are sent to
// a URL that says no more than scheme, host and path.
func FuzzForwarded(f *testing.F) {
	for _, seed := range [][4]string{
		{"https", "r.example:8443", "8443", "/a, /b/"}, {"ftp", "a/b", "x", "//evil.example"}, {"", "[::1]", "81", "/%2e%2e"}, {"https,http", "r.example,x", " 80", "/\r\nX: y"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], "for=1.2.3.4;host=\"h:1\";proto=https")
	}
	p := fuzzed(f)
	p.options.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	f.Fuzz(func(t *testing.T, proto, host, port, prefix, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "http://proxy.example/v2/", nil)
		r.RemoteAddr = "192.0.2.1:1"
		r.Header = http.Header{"X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}, "X-Forwarded-Port": {port}, "X-Forwarded-Prefix": {prefix}, "Forwarded": {forwarded}}
		before := p.clientPrefix(r)
		if before != "" && !config.ValidPrefix(before) && len(before) <= 256 {
			t.Fatalf("prefix %q", before)
		}
		e := &entry{Entry: wrap.Entry{Context: r.Context()}, prefix: before}
		e.Door = e
		r = r.WithContext(&e.Entry)
		text := p.clientURL(r, realmPath).String()
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != before+realmPath ||
			u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "\r\n\x00 ") {
			t.Errorf("%q, %v", text, err)
		}
		header := http.Header{"Location": {"/v2/x"}}
		p.rewriteLinks(header, r)
		if got := header.Get("Location"); got != before+"/v2/x" {
			t.Errorf("Location %q below %q", got, before)
		}
	})
}
