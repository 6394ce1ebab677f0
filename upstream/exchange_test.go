package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// bytewise is a registry that answers byte by byte as a test says.
type bytewise struct {
	listener              net.Listener
	connections, requests atomic.Int64
	// left has an entry for each connection that the client closed.
	left chan struct{}
	// answer writes to the connection what follows a request, of which there
	// were so many before. Without true the connection is closed.
	answer func(to net.Conn, request *http.Request, before int64) bool
}

func newBytewise(t *testing.T, listener net.Listener, answer func(net.Conn, *http.Request, int64) bool) *bytewise {
	t.Helper()
	b := &bytewise{listener: listener, left: make(chan struct{}, 16), answer: answer}
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
			t.Cleanup(func() { _ = conn.Close() })
			serving.Go(func() { b.serve(conn) })
		}
	})
	return b
}

func (b *bytewise) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	b.connections.Add(1)
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			b.left <- struct{}{}
			return
		}
		if !b.answer(conn, request, b.requests.Add(1)-1) {
			return
		}
	}
}

// says answers every request with the same bytes.
func says(answer string) func(net.Conn, *http.Request, int64) bool {
	return func(to net.Conn, _ *http.Request, _ int64) bool {
		_, err := io.WriteString(to, answer)
		return err == nil
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// at returns the registry at a listener.
func at(t *testing.T, scheme string, listener net.Listener, change ...func(*config.Upstream)) *upstream.Registry {
	t.Helper()
	cfg := config.Default().Upstream
	cfg.URL = &url.URL{Scheme: scheme, Host: listener.Addr().String()}
	for _, c := range change {
		c(&cfg)
	}
	registry, err := upstream.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return registry
}

// exchanged is what came of a request, its body read to the end.
type exchanged struct {
	*http.Response
	body string
	err  error
}

func exchange(ctx context.Context, registry *upstream.Registry, method string) exchanged {
	resp, err := registry.RoundTrip((&http.Request{
		Method: method, URL: &url.URL{Path: "/v2/a/manifests/x"}, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx))
	if err != nil {
		return exchanged{nil, "", err}
	}
	body, err := io.ReadAll(resp.Body)
	return exchanged{resp, string(body), errors.Join(err, resp.Body.Close())}
}

// TestAnswers is about answers as registries may write them: what is made of
// them, and whether their connection is used again.
func TestAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	cases := map[string]struct {
		method, answer string
		body           string
		// fails says that it counts for no answer.
		fails, again bool
	}{
		"of known length":         {"GET", ok + "Content-Length: 3\r\n\r\nabc", "abc", false, true},
		"empty":                   {"GET", ok + "Content-Length: 0\r\n\r\n", "", false, true},
		"in chunks":               {"GET", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc", false, true},
		"to HEAD":                 {"HEAD", ok + "Content-Length: 3\r\n\r\n", "", false, true},
		"to HEAD, in chunks":      {"HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", "", false, true},
		"without content":         {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", false, true},
		"not modified":            {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "", false, true},
		"the last":                {"GET", ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", "abc", false, false},
		"of HTTP/1.0":             {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", false, false},
		"after interim ones":      {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", "abc", false, true},
		"of interim ones":         {"GET", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 6), "", true, false},
		"in another protocol":     {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", true, false},
		"longer than it says":     {"GET", ok + "Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX", "abc", false, false},
		"to HEAD, with a body":    {"HEAD", ok + "Content-Length: 3\r\n\r\nabc", "", false, false},
		"with two lengths":        {"GET", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "", true, false},
		"no HTTP":                 {"GET", "SSH-2.0-OpenSSH_9.9\r\n", "", true, false},
		"with too large a header": {"GET", ok + "X-Large: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "", true, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fake := newBytewise(t, listen(t), says(c.answer))
			registry := at(t, "http", fake.listener)
			for range 2 {
				got := exchange(t.Context(), registry, c.method)
				if (got.err != nil) != c.fails || got.body != c.body {
					t.Fatalf("body %q, error %v", got.body, got.err)
				}
				if c.fails && !errors.Is(got.err, upstream.ErrUnreachable) {
					t.Errorf("%v is not ErrUnreachable", got.err)
				}
			}
			if again := fake.connections.Load() == 1; again != c.again || fake.requests.Load() != 2 {
				t.Errorf("%d requests by %d connections", fake.requests.Load(), fake.connections.Load())
			}
		})
	}
}

func TestTrailersFollowBodies(t *testing.T) {
	fake := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"))
	got := exchange(t.Context(), at(t, "http", fake.listener), http.MethodGet)
	if got.err != nil || got.body != "a" || got.Trailer.Get("X-Sum") != "1" {
		t.Errorf("%q, trailer %v, %v", got.body, got.Trailer, got.err)
	}
}

// A body of chunks that breaks off is no whole one.
func TestBrokenChunks(t *testing.T) {
	fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
		return false
	})
	if got := exchange(t.Context(), at(t, "http", fake.listener), http.MethodGet); !errors.Is(got.err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", got.body, got.err)
	}
}

// A request that the registry did not answer because it closed an idle
// connection just then is sent again, if it changes nothing.
func TestRequestsAreSentAgain(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
	for _, c := range []struct {
		method   string
		begins   string
		requests int64
	}{
		{http.MethodGet, "", 3},
		{http.MethodHead, "", 3},
		{http.MethodDelete, "", 2},
		// What has begun is no closed idle connection.
		{http.MethodGet, "HTTP/1.1 2", 2},
	} {
		t.Run(c.method+" "+c.begins, func(t *testing.T) {
			fake := newBytewise(t, listen(t), func(to net.Conn, request *http.Request, before int64) bool {
				if before == 1 {
					_, _ = io.WriteString(to, c.begins)
					return false
				}
				whole := answer
				if request.Method == http.MethodHead {
					whole = strings.TrimSuffix(answer, "a")
				}
				_, _ = io.WriteString(to, whole)
				return true
			})
			registry := at(t, "http", fake.listener)
			if first := exchange(t.Context(), registry, c.method); first.err != nil {
				t.Fatal(first.err)
			}
			second := exchange(t.Context(), registry, c.method)
			if again := second.err == nil; again != (c.requests == 3) || fake.requests.Load() != c.requests {
				t.Errorf("%d requests, %v", fake.requests.Load(), second.err)
			}
		})
	}
}

// A new connection that fails is not tried again and again.
func TestNewConnectionsAreTriedOnce(t *testing.T) {
	fake := newBytewise(t, listen(t), func(net.Conn, *http.Request, int64) bool { return false })
	if got := exchange(t.Context(), at(t, "http", fake.listener), http.MethodGet); !errors.Is(got.err, upstream.ErrUnreachable) {
		t.Error(got.err)
	}
	if n := fake.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestPhasesHaveTheirTimes(t *testing.T) {
	short := func(phase *time.Duration) { *phase = 50 * time.Millisecond }
	for name, c := range map[string]struct {
		answer string
		bound  func(*config.Upstream)
	}{
		"header":         {"", func(cfg *config.Upstream) { short(&cfg.Timeouts.ResponseHeader) }},
		"part of header": {"HTTP/1.1 200 OK\r\nContent-", func(cfg *config.Upstream) { short(&cfg.Timeouts.ResponseHeader) }},
		"body":           {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", func(cfg *config.Upstream) { short(&cfg.Timeouts.Stall) }},
		"chunks":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na", func(cfg *config.Upstream) { short(&cfg.Timeouts.Stall) }},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, before int64) bool {
				if before == 0 {
					_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					return true
				}
				_, _ = io.WriteString(to, c.answer)
				return true
			})
			registry := at(t, "http", fake.listener, c.bound)
			if first := exchange(t.Context(), registry, http.MethodGet); first.err != nil {
				t.Fatal(first.err)
			}
			// A registry that is late on an old connection is not asked again.
			got := exchange(t.Context(), registry, http.MethodGet)
			if !errors.Is(got.err, os.ErrDeadlineExceeded) || !strings.Contains(got.err.Error(), "upstream.timeouts.") {
				t.Error(got.err)
			}
			if n := fake.requests.Load(); n != 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A body may take longer than its header.
func TestBodiesTakeTheirTime(t *testing.T) {
	fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
		for range 4 {
			time.Sleep(100 * time.Millisecond)
			_, _ = io.WriteString(to, "a")
		}
		return true
	})
	registry := at(t, "http", fake.listener, func(cfg *config.Upstream) { cfg.Timeouts.ResponseHeader = 200 * time.Millisecond })
	for range 2 {
		if got := exchange(t.Context(), registry, http.MethodGet); got.err != nil || got.body != "aaaa" {
			t.Errorf("%q, %v", got.body, got.err)
		}
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	var together sync.WaitGroup
	together.Add(3)
	fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, before int64) bool {
		if before < 3 {
			together.Done()
			together.Wait()
		}
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	registry := at(t, "http", fake.listener, func(cfg *config.Upstream) { cfg.MaxIdleConnections = 1 })
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			if got := exchange(t.Context(), registry, http.MethodGet); got.err != nil {
				t.Error(got.err)
			}
		})
	}
	asking.Wait()
	<-fake.left
	<-fake.left
	if got := exchange(t.Context(), registry, http.MethodGet); got.err != nil || fake.connections.Load() != 3 {
		t.Errorf("%d connections, %v", fake.connections.Load(), got.err)
	}
}

// A connection that nobody needs is closed, although nobody asks anything.
func TestIdleConnectionsAreClosed(t *testing.T) {
	fake := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	registry := at(t, "http", fake.listener, func(cfg *config.Upstream) { cfg.Timeouts.Idle = 20 * time.Millisecond })
	for range 2 {
		if got := exchange(t.Context(), registry, http.MethodGet); got.err != nil {
			t.Fatal(got.err)
		}
		<-fake.left
	}
}

// overTLS returns a server with a certificate, and the settings that trust it.
func overTLS(t *testing.T, http2 bool, handler http.Handler) (*httptest.Server, func(*config.Upstream)) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, func(cfg *config.Upstream) { cfg.TLS.CAFile = file }
}

func TestRegistriesWithTLS(t *testing.T) {
	large := string(content(t))
	for _, http2 := range []bool{false, true} {
		for _, body := range []string{"small", large} {
			t.Run(fmt.Sprintf("HTTP/2 %t, %d bytes", http2, len(body)), func(t *testing.T) {
				server, trust := overTLS(t, http2, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
					w.Header().Set("X-Peer", r.RemoteAddr)
					_, _ = io.WriteString(w, body)
				}))
				registry := at(t, "https", server.Listener, trust)
				peers := map[string]bool{}
				for range 3 {
					got := exchange(t.Context(), registry, http.MethodGet)
					if got.err != nil || got.body != body || (got.ProtoMajor == 2) != http2 {
						t.Fatalf("%d bytes, %v", len(got.body), got.err)
					}
					peers[got.Header.Get("X-Peer")] = true
				}
				if len(peers) != 1 {
					t.Errorf("%d connections for three requests after each other", len(peers))
				}
			})
		}
	}
}

// What a registry sends unasked is no answer, also where TLS has read it
// already.
func TestUnaskedAnswersOverTLS(t *testing.T) {
	server, trust := overTLS(t, false, nil)
	config := server.TLS.Clone()
	listener := tls.NewListener(listen(t), config)
	fake := newBytewise(t, listener, func(to net.Conn, _ *http.Request, _ int64) bool {
		// Two records, of which the second is there when the first is read.
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
		_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX")
		return true
	})
	registry := at(t, "https", listener, trust)
	for range 3 {
		if got := exchange(t.Context(), registry, http.MethodGet); got.err != nil || got.body != "a" {
			t.Errorf("%q, %v", got.body, got.err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := fake.connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// A registry that doesn't shake hands is given up.
func TestSilentHandshake(t *testing.T) {
	listener := listen(t)
	t.Cleanup(func() { _ = listener.Close() })
	registry := at(t, "https", listener, func(cfg *config.Upstream) { cfg.Timeouts.Connect = 50 * time.Millisecond })
	if got := exchange(t.Context(), registry, http.MethodGet); !errors.Is(got.err, context.DeadlineExceeded) {
		t.Error(got.err)
	}
}
