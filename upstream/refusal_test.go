package upstream_test

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/upstream"
)

// refusing is a registry that says nothing until the body of a request begins,
// then refuses it, and closes the connection under what comes.
func refusing(t *testing.T, listener net.Listener) {
	t.Helper()
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				if _, err := reader.ReadByte(); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic\r\nContent-Length: 7\r\n\r\nrefused")
			})
		}
	})
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (zeros) Close() error { return nil }

// A refusal is read although the registry closes the connection while the
// body is being sent, which net/http takes for a failure.
func TestRefusalBeforeTheEndOfABody(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, expect := range []string{"", "100-continue"} {
			t.Run(fmt.Sprintf("secure=%t/expect=%s", secure, expect), func(t *testing.T) {
				registry := newRefused(t, secure)
				var clients sync.WaitGroup
				for range 60 {
					clients.Go(func() { wantRefusal(t, registry, expect) })
				}
				clients.Wait()
			})
		}
	}
}

// newRefused returns a registry that refuses all bodies.
func newRefused(t *testing.T, secure bool) *upstream.Registry {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := upstream.Options{URL: &url.URL{Scheme: "http", Host: listener.Addr().String()}}
	if secure {
		certified := httptest.NewTLSServer(nil)
		certified.Close()
		o.URL.Scheme = "https"
		o.TLS.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
		if err := os.WriteFile(o.TLS.CAFile, authority, 0o600); err != nil {
			t.Fatal(err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12})
	}
	refusing(t, listener)
	registry, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry
}

func wantRefusal(t *testing.T, registry *upstream.Registry, expect string) {
	t.Helper()
	header := http.Header{}
	if expect != "" {
		header.Set("Expect", expect)
	}
	resp, err := registry.RoundTrip((&http.Request{
		Method: http.MethodPut, URL: &url.URL{Path: "/v2/a/blobs/uploads/x"}, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: zeros{}, ContentLength: 1 << 40,
	}).WithContext(t.Context()))
	if err != nil {
		t.Errorf("no answer: %v", err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Www-Authenticate") != "Basic" || !strings.HasPrefix(string(body), "refused") {
		t.Errorf("%s, %q, %v", resp.Status, body, err)
	}
}
