package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// proxied is a proxy that answers itself for registry.test, its token service
// auth.test, and blobs.test, where it redirects to.
type proxied struct {
	mutex sync.Mutex
	// seen are the URLs of requests, with their credentials.
	seen []string
}

func (p *proxied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.RequestURI
	if i := strings.IndexByte(asked, '?'); i > 0 {
		asked = asked[:i]
	}
	authorization := r.Header.Get("Authorization")
	p.mutex.Lock()
	p.seen = append(p.seen, strings.TrimSpace(asked+" "+authorization))
	p.mutex.Unlock()
	switch {
	case r.URL.Host == "auth.test":
		_, _ = io.WriteString(w, `{"token": "t"}`)
	case r.URL.Host == "blobs.test":
		_, _ = io.WriteString(w, `{"schemaVersion": 2}`)
	case authorization != "Bearer t":
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.test/token",service="registry.test"`)
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPut:
		w.WriteHeader(http.StatusCreated)
	default:
		http.Redirect(w, r, "http://blobs.test/blob", http.StatusTemporaryRedirect)
	}
}

// The registry, its token service and what it redirects to are all reached by
// the proxy, and each has what it would have without.
func TestTheRegistryIsReachedByAProxy(t *testing.T) {
	for _, standard := range []bool{false, true} {
		p := &proxied{}
		server := httptest.NewServer(p)
		defer server.Close()
		proxy, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		registry, err := New(Options{
			URL: &url.URL{Scheme: "http", Host: "registry.test"}, Service: Service{Username: "user", Password: "password"},
			StandardTransport: standard, Proxy: http.ProxyURL(proxy),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer registry.Close()
		service, _ := registry.Service()
		if err := registry.PutManifest(t.Context(), service, "a", "x", "application/json", []byte("{}")); err != nil {
			t.Error(err)
		}
		// For another tag the service needs no new token, but for reading alone.
		if _, err := registry.Manifest(t.Context(), service, "a", "x", 100); err != nil {
			t.Error(err)
		}
		basic := " Basic dXNlcjpwYXNzd29yZA=="
		want := []string{
			"http://registry.test/v2/a/manifests/x", "http://auth.test/token" + basic, "http://registry.test/v2/a/manifests/x Bearer t",
			"http://registry.test/v2/a/manifests/x", "http://auth.test/token" + basic, "http://registry.test/v2/a/manifests/x Bearer t", "http://blobs.test/blob",
		}
		p.mutex.Lock()
		seen := slices.Clone(p.seen)
		p.mutex.Unlock()
		if !slices.Equal(seen, want) {
			t.Errorf("standard %t: the proxy saw %q", standard, seen)
		}
	}
}

// By a proxy, too, no answer of the registry's leads to an address that a client
// could not be sent to.
func TestWhereProxiesMayLead(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.test:3128"}
	lies := errors.New("refused")
	checked := checkedProxy(http.ProxyURL(proxy), func(_ context.Context, address string) error {
		if checkRealmAddress(address, false) != nil {
			return lies
		}
		return nil
	})
	for target, want := range map[string]error{
		"http://auth.test/token": nil, "https://auth.test": nil, "http://192.0.2.1/": nil, "http://[2001:db8::1]:80/": nil, "http://1.2.3.test/": nil,
		"http://127.0.0.1/": lies, "http://[::1]:5000/": lies, "http://169.254.169.254/latest": lies, "http://[fe80::1%25eth0]/": lies, "http://[::ffff:127.0.0.1]/": lies,
		"http://localhost:80/": lies, "http://LOCALHOST./": lies, "http://a.localhost/": lies,
		"http://127.1/": errOddHost, "http://2130706433/": errOddHost, "http://0x7f.1/": errOddHost, "http://0x7f000001/": errOddHost, "http://127.0.0.0x1./": errOddHost, "http://0177.0.0.1/": errOddHost,
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		if through, err := checked((&http.Request{URL: u}).WithContext(t.Context())); !errors.Is(err, want) || err == nil && through != proxy {
			t.Errorf("%s: %v, %v", target, through, err)
		}
	}
	if checkedProxy(nil, nil) != nil {
		t.Error("a proxy where there is none")
	}
	none := checkedProxy(func(*http.Request) (*url.URL, error) { return nil, nil }, nil)
	if through, err := none(&http.Request{URL: &url.URL{Host: "127.0.0.1"}}); through != nil || err != nil {
		t.Errorf("%v, %v", through, err)
	}
}
