package wire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/upstream/wire"
)

// forwarder is a proxy that knows by itself where a name leads.
type forwarder struct {
	t *testing.T
	// names are the addresses of what it forwards to.
	names map[string]string
	// wants are the credentials that it asks for, if any.
	wants string

	mutex sync.Mutex
	seen  []seen
}

// seen is what a proxy sees of a request.
type seen struct {
	line, authorization string
	certificates        int
}

func newForwarder(t *testing.T, names map[string]string) *forwarder {
	return &forwarder{t: t, names: names}
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	saw := seen{line: r.Method + " " + r.RequestURI, authorization: r.Header.Get("Authorization")}
	if r.TLS != nil {
		saw.certificates = len(r.TLS.PeerCertificates)
	}
	f.mutex.Lock()
	f.seen = append(f.seen, saw)
	f.mutex.Unlock()
	address := f.names[r.Host]
	switch {
	case f.wants != "" && r.Header.Get("Proxy-Authorization") != f.wants:
		w.WriteHeader(http.StatusProxyAuthRequired)
	case address == "":
		w.WriteHeader(http.StatusBadGateway)
	case r.Method == http.MethodConnect:
		f.tunnel(w, address)
	default:
		f.forward(w, r, address)
	}
}

func (f *forwarder) forward(w http.ResponseWriter, r *http.Request, address string) {
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Host = "", address
	out.Header.Del("Proxy-Authorization")
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (f *forwarder) tunnel(w http.ResponseWriter, address string) {
	behind, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	front, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		f.t.Error(err)
		return
	}
	_, _ = io.WriteString(front, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(behind, front)
		_ = behind.Close()
	}()
	_, _ = io.Copy(front, behind)
	_ = front.Close()
}

// saw returns what the proxy has seen.
func (f *forwarder) saw() []seen {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return slices.Clone(f.seen)
}

// throughAll has all requests go by the proxy at a URL.
func throughAll(t *testing.T, base, user string) func(*http.Request) (*url.URL, error) {
	t.Helper()
	proxy, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		proxy.User = url.UserPassword(user, "secret")
	}
	return http.ProxyURL(proxy)
}

// echo answers who asked, and with which body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, strings.Join([]string{r.Method, r.Host, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Proxy-Authorization"), string(body)}, "|"))
}

// By plain HTTP a proxy is sent the whole request, its own credentials with it,
// which go no farther.
func TestProxiesForHTTP(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		server := httptest.NewServer(http.HandlerFunc(echo))
		defer server.Close()
		f := newForwarder(t, map[string]string{"registry.test": server.Listener.Addr().String()})
		f.wants = "Basic dXNlcjpzZWNyZXQ="
		proxy := httptest.NewServer(f)
		defer proxy.Close()
		o.Proxy = throughAll(t, proxy.URL, "user")
		by := at(t, "http", server.Listener, o)
		by.to.Host = "registry.test"
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			request := by.request(t.Context(), method)
			request.Header.Set("Authorization", "Bearer token")
			want := method + "|registry.test|/v2/a/manifests/x|Bearer token||"
			if method == http.MethodPut {
				request.Body = io.NopCloser(strings.NewReader("body"))
				want += "body"
			}
			resp, err := by.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil || string(body) != want {
				t.Errorf("%s: %q, %v", method, body, err)
			}
		}
		want := []seen{{line: "GET http://registry.test/v2/a/manifests/x", authorization: "Bearer token"}, {line: "PUT http://registry.test/v2/a/manifests/x", authorization: "Bearer token"}}
		if got := f.saw(); !slices.Equal(got, want) {
			t.Errorf("the proxy saw %+v", got)
		}
	})
}

// By HTTPS a proxy sees the name of the server and nothing else, and is shown no
// certificate where it is spoken to by TLS itself.
func TestProxiesForHTTPS(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, http2 := range []bool{false, true} {
			eachWay(t, func(t *testing.T, o wire.Options) {
				server, o := overTLS(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.WriteString(w, r.Header.Get("Authorization")+r.TLS.PeerCertificates[0].Subject.String())
				}), o)
				server.TLS.ClientAuth = tls.RequestClientCert
				o.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &server.TLS.Certificates[0], nil
				}
				f := newForwarder(t, map[string]string{"example.com:443": server.Listener.Addr().String()})
				proxy := httptest.NewUnstartedServer(f)
				if secure {
					proxy.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
					proxy.StartTLS()
				} else {
					proxy.Start()
				}
				defer proxy.Close()
				o.Proxy = throughAll(t, proxy.URL, "user")
				by := at(t, "https", server.Listener, o)
				by.to.Host = "example.com"
				for range 2 {
					request := by.request(t.Context(), http.MethodGet)
					request.Header.Set("Authorization", "Bearer token")
					resp, err := by.RoundTrip(request)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					subject := server.Certificate().Subject.String()
					if err := errors.Join(err, resp.Body.Close()); err != nil || string(body) != "Bearer token"+subject || (resp.ProtoMajor == 2) != http2 {
						t.Errorf("%s: %q, %v", resp.Proto, body, err)
					}
				}
				if got := f.saw(); !slices.Equal(got, []seen{{line: "CONNECT example.com:443"}}) {
					t.Errorf("the proxy saw %+v", got)
				}
			})
		}
	}
}

// What a proxy answers for itself is no answer of the server's.
func TestProxiesThatRefuse(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		f := newForwarder(t, map[string]string{"registry.test": "127.0.0.1:1"})
		f.wants = "Basic other"
		proxy := httptest.NewServer(f)
		defer proxy.Close()
		o.Proxy = throughAll(t, proxy.URL, "user")
		for _, scheme := range []string{"http", "https"} {
			by := at(t, scheme, listen(t), o)
			by.to.Host = "registry.test"
			if got := exchange(t.Context(), by, http.MethodGet); got.err == nil || strings.Contains(got.err.Error(), "secret") {
				t.Errorf("%s: %v", scheme, got.err)
			}
		}
	})
}

// A request for which there is no proxy goes to the server, and fails where that
// can't be told.
func TestRequestsWithoutAProxy(t *testing.T) {
	refused := errors.New("no idea")
	eachWay(t, func(t *testing.T, o wire.Options) {
		fake := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"))
		o.Proxy = func(req *http.Request) (*url.URL, error) {
			if req.URL.Hostname() == "127.0.0.1" {
				return nil, nil
			}
			return nil, refused
		}
		by := at(t, "http", fake.listener, o)
		if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || got.body != "a" {
			t.Errorf("%q, %v", got.body, got.err)
		}
		by.to.Host = "registry.test"
		if got := exchange(t.Context(), by, http.MethodGet); !errors.Is(got.err, refused) {
			t.Error(got.err)
		}
	})
}

// The way to a proxy is not the way to servers: what is refused of these says
// nothing of it.
func TestProxiesAreDialledByTheirOwnWay(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		server := httptest.NewServer(http.HandlerFunc(echo))
		defer server.Close()
		proxy := httptest.NewServer(newForwarder(t, map[string]string{"registry.test": server.Listener.Addr().String()}))
		defer proxy.Close()
		o.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way") }
		o.Proxy = throughAll(t, proxy.URL, "")
		by := at(t, "http", server.Listener, o)
		by.to.Host = "registry.test"
		if got := exchange(t.Context(), by, http.MethodGet); got.err != nil {
			t.Error(got.err)
		}
	})
}
