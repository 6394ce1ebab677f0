package wire_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/backref/backref/upstream/wire"
)

// overTLS returns a server with a certificate, and options that trust it.
func overTLS(t *testing.T, http2 bool, handler http.Handler, o wire.Options) (*httptest.Server, wire.Options) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return server, o
}

func TestServersWithTLS(t *testing.T) {
	large := string(content(t))
	for _, http2 := range []bool{false, true} {
		for _, body := range []string{"small", large} {
			t.Run(fmt.Sprintf("HTTP/2 %t, %d bytes", http2, len(body)), func(t *testing.T) {
				eachWay(t, func(t *testing.T, o wire.Options) {
					server, o := overTLS(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Length", fmt.Sprint(len(body)))
						w.Header().Set("X-Peer", r.RemoteAddr)
						_, _ = io.WriteString(w, body)
					}), o)
					by := at(t, "https", server.Listener, o)
					peers := map[string]bool{}
					for range 3 {
						got := exchange(t.Context(), by, http.MethodGet)
						if got.err != nil || got.body != body || (got.ProtoMajor == 2) != http2 {
							t.Fatalf("%d bytes, %v", len(got.body), got.err)
						}
						peers[got.Header.Get("X-Peer")] = true
					}
					if len(peers) != 1 {
						t.Errorf("%d connections for three requests after each other", len(peers))
					}
				})
			})
		}
	}
}

// What a server sends unasked is no answer, also where TLS has read it already.
// By net/http it is one if the next request is quicker than its reader, so that
// only connections of the package's own are held to it.
func TestUnaskedAnswersOverTLS(t *testing.T) {
	server, o := overTLS(t, false, nil, wire.Options{})
	listener := tls.NewListener(listen(t), server.TLS.Clone())
	sent := make(chan struct{}, 1)
	fake := newBytewise(t, listener, func(to net.Conn, _ *http.Request, _ int64) bool {
		// Two records, of which the second is there when the first is read.
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX")
		hasArrived(t, to)
		sent <- struct{}{}
		return true
	})
	by := at(t, "https", listener, o)
	for range 3 {
		if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || got.body != "a" {
			t.Errorf("%q, %v", got.body, got.err)
		}
		<-sent
	}
	if n := fake.connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// A server that doesn't shake hands is given up.
func TestSilentHandshake(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		listener := listen(t)
		t.Cleanup(func() { _ = listener.Close() })
		o.Connect = 50 * time.Millisecond
		got := exchange(t.Context(), at(t, "https", listener, o), http.MethodGet)
		if !errors.Is(got.err, context.DeadlineExceeded) && !errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Error(got.err)
		}
	})
}
