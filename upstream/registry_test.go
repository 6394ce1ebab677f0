package upstream_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/upstream"
)

// answering returns a registry whose server answers a request by some bytes, and
// keeps the connection.
func answering(t *testing.T, answer string, change func(*upstream.Options)) *upstream.Registry {
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
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, answer)
				}
			}()
		}
	}()
	o := upstream.Options{URL: &url.URL{Scheme: "http", Host: listener.Addr().String()}}
	change(&o)
	registry, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry
}

// No answer is ErrUnreachable, and says which setting it took too long for.
func TestNoAnswer(t *testing.T) {
	short := func(phase *time.Duration) { *phase = 50 * time.Millisecond }
	for name, c := range map[string]struct {
		answer string
		bound  func(*upstream.Options)
		// header says that there is none of an answer.
		header bool
		names  string
	}{
		"no HTTP":   {"SSH-2.0-OpenSSH_9.9\r\n", func(*upstream.Options) {}, true, ""},
		"no header": {"", func(o *upstream.Options) { short(&o.Timeouts.ResponseHeader) }, true, "upstream.timeouts.responseHeader"},
		"no body":   {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", func(o *upstream.Options) { short(&o.Timeouts.Stall) }, false, "upstream.timeouts.stall"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := answering(t, c.answer, c.bound)
			resp, err := registry.RoundTrip((&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/v2/"}, Header: http.Header{}}).WithContext(t.Context()))
			if c.header != errors.Is(err, upstream.ErrUnreachable) {
				t.Fatal(err)
			}
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.names) || c.names != "" && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
	}
}
