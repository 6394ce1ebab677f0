package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/upstream"
)

// check asks the registry of some options whether it can be used.
func check(t *testing.T, base string, o upstream.Options) *upstream.Fault {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	o.URL = u
	registry, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry.Check(t.Context())
}

// wantFault checks what was found; "" stands for nothing wrong. Whatever it is, it
// says which key to look at, and no password.
func wantFault(t *testing.T, fault *upstream.Fault, want upstream.Reason) {
	t.Helper()
	switch {
	case fault == nil && want == "":
	case fault == nil:
		t.Errorf("found nothing wrong, want %s", want)
	case fault.Reason != want:
		t.Errorf("found %s, want %q: %v", fault.Reason, want, fault)
	case fault.Mend() == "" || strings.Contains(fault.Error(), "s3cret"):
		t.Errorf("says %q", fault)
	}
}

// quiet starts a server whose own complaints are of no interest.
func quiet(t *testing.T, secure *tls.Config, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure == nil {
		server.Start()
	} else {
		server.TLS = secure
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server
}

// says answers every request alike.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// rawServer accepts connections and does with them as it is told.
func rawServer(t *testing.T, act func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = conn.Read(make([]byte, 1000))
				act(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// authority writes the certificate of a server to a file.
func authority(t *testing.T, certificate []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// expired returns a certificate for 127.0.0.1 whose time is over.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCheckOfTheWay(t *testing.T) {
	closed := rawServer(t, func(net.Conn) {})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	silent := rawServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	alert := rawServer(t, func(conn net.Conn) { _, _ = conn.Write([]byte("\x15\x03\x01\x00\x02\x02\x46")) })
	plain := quiet(t, nil, says(http.StatusOK, "{}"))
	secure := quiet(t, &tls.Config{}, says(http.StatusOK, "{}"))
	trusted := upstream.TLS{CAFile: authority(t, secure.Certificate().Raw)}
	old := expired(t)
	stale := quiet(t, &tls.Config{Certificates: []tls.Certificate{old}}, says(http.StatusOK, "{}"))
	strict := quiet(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, says(http.StatusOK, "{}"))
	upgrading := quiet(t, nil, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://127.0.0.1/v2/", http.StatusMovedPermanently)
	})
	proxy := quiet(t, nil, says(http.StatusProxyAuthRequired, ""))
	byProxy := func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	for name, c := range map[string]struct {
		base    string
		options upstream.Options
		want    upstream.Reason
	}{
		"well":                       {base: plain.URL},
		"well, by TLS":               {base: secure.URL, options: upstream.Options{TLS: trusted}},
		"nobody listens":             {base: "http://" + gone.Addr().String(), want: upstream.ReasonRefused},
		"no such name":               {base: "http://registry.invalid", want: upstream.ReasonName},
		"no answer":                  {base: "http://" + silent, options: upstream.Options{Timeouts: upstream.Timeouts{ResponseHeader: 50 * time.Millisecond}}, want: upstream.ReasonTimeout},
		"no answer to TLS":           {base: "https://" + silent, options: upstream.Options{Timeouts: upstream.Timeouts{Connect: 50 * time.Millisecond}}, want: upstream.ReasonTimeout},
		"it hangs up":                {base: "http://" + closed, want: upstream.ReasonBroken},
		"an authority nobody knows":  {base: secure.URL, want: upstream.ReasonAuthority},
		"another name":               {base: strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), options: upstream.Options{TLS: trusted}, want: upstream.ReasonCertificateName},
		"a certificate that is over": {base: stale.URL, options: upstream.Options{TLS: upstream.TLS{CAFile: authority(t, old.Certificate[0])}}, want: upstream.ReasonExpired},
		"it wants a certificate":     {base: strict.URL, options: upstream.Options{TLS: upstream.TLS{CAFile: authority(t, strict.Certificate().Raw)}}, want: upstream.ReasonTLS},
		"plain HTTP":                 {base: strings.Replace(plain.URL, "http:", "https:", 1), want: upstream.ReasonPlain},
		"HTTPS":                      {base: strings.Replace(secure.URL, "https:", "http:", 1), want: upstream.ReasonSecure},
		"HTTPS, by an alert":         {base: "http://" + alert, want: upstream.ReasonSecure},
		"HTTPS, by a redirect":       {base: upgrading.URL, want: upstream.ReasonSecure},
		"a proxy that asks who":      {base: "http://registry.invalid", options: upstream.Options{Proxy: byProxy}, want: upstream.ReasonProxy},
		"the same, for a tunnel":     {base: "https://registry.invalid", options: upstream.Options{Proxy: byProxy}, want: upstream.ReasonProxy},
	} {
		for _, standard := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " standard=", standard), func(t *testing.T) {
				c.options.StandardTransport = standard
				wantFault(t, check(t, c.base, c.options), c.want)
			})
		}
	}
}

func TestCheckOfTheAnswer(t *testing.T) {
	service := upstream.Service{Username: "backref", Password: "s3cret"}
	const challenge = "WWW-Authenticate"
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		service upstream.Service
		want    upstream.Reason
	}{
		"an empty 200":               {answer: says(http.StatusOK, "")},
		"nothing there":              {answer: says(http.StatusNotFound, "404 page not found"), want: upstream.ReasonNoAPI},
		"a page for people":          {answer: says(http.StatusOK, "<html>hello</html>", "Content-Type", "text/html"), want: upstream.ReasonNoRegistry},
		"a page without its type":    {answer: says(http.StatusOK, "\n<!doctype html>", "Content-Type", "text/plain"), want: upstream.ReasonNoRegistry},
		"another status":             {answer: says(http.StatusTeapot, ""), want: upstream.ReasonNoRegistry},
		"it can't just now":          {answer: says(http.StatusServiceUnavailable, ""), want: upstream.ReasonFails},
		"asks clients":               {answer: says(http.StatusUnauthorized, "", challenge, `Bearer realm="https://auth.example/token"`)},
		"asks clients for passwords": {answer: says(http.StatusUnauthorized, "", challenge, `Basic realm=x`)},
		"asks without saying how":    {answer: says(http.StatusUnauthorized, ""), want: upstream.ReasonChallenge},
		"asks for what we have not":  {answer: says(http.StatusUnauthorized, "", challenge, "Negotiate"), want: upstream.ReasonChallenge},
		"a realm that is none":       {answer: says(http.StatusUnauthorized, "", challenge, `Bearer realm="/token"`), want: upstream.ReasonChallenge},
		"refuses all":                {answer: says(http.StatusForbidden, ""), want: upstream.ReasonChallenge},
		"anybody may ask for tokens": {
			answer: says(http.StatusUnauthorized, "", challenge, `Bearer realm="https://auth.example/token"`), service: upstream.Service{Anonymous: true},
		},
		"anybody has no password": {
			answer: says(http.StatusUnauthorized, "", challenge, `Basic realm="x"`), service: upstream.Service{Anonymous: true}, want: upstream.ReasonNoCredentials,
		},
		"the password": {answer: basicDoor("s3cret"), service: service},
		"another":      {answer: basicDoor("other"), service: service, want: upstream.ReasonCredentials},
		"no token service": {
			answer: says(http.StatusUnauthorized, "", challenge, `Bearer realm="http://127.0.0.1:9/token",service="x"`), service: service, want: upstream.ReasonTokenService,
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantFault(t, check(t, quiet(t, nil, c.answer).URL, upstream.Options{Service: c.service}), c.want)
		})
	}
}

// basicDoor is a registry that lets in who has a password.
func basicDoor(password string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}
}

// Tokens are fetched as for all that the service asks.
func TestCheckOfTokens(t *testing.T) {
	registry := newGuarded(t)
	for password, want := range map[string]upstream.Reason{"s3cret": "", "wrong": upstream.ReasonCredentials} {
		fault := check(t, registry.url, upstream.Options{Service: upstream.Service{Username: "backref", Password: password}})
		wantFault(t, fault, want)
	}
}
