package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// silentRegistry says nothing until the body of a request begins, then refuses
// it, and closes the connection under what comes: so does Distribution 3.1.
func silentRegistry(t *testing.T) *url.URL {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
				_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic\r\nConnection: close\r\nContent-Length: 7\r\n\r\nrefused")
			})
		}
	})
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

// sendExpecting sends a request that expects to be asked for its body, as curl
// does, and returns the final answer.
func sendExpecting(t *testing.T, base string, size int) (*http.Response, string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "PUT /v2/a/blobs/uploads/1?digest=x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", size)
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		switch {
		case err != nil:
			return nil, "", err
		case resp.StatusCode != http.StatusContinue:
			body, err := io.ReadAll(resp.Body)
			return resp, string(body), err
		}
		go func() { _, _ = conn.Write(make([]byte, size)) }()
	}
}

func TestARefusalOfABodyArrives(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Upstream.URL = silentRegistry(t) })
	const clients = 50
	for _, size := range []int{4, 100 << 10, 4 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var sending sync.WaitGroup
			for range clients {
				sending.Go(func() {
					resp, body, err := sendExpecting(t, f.url, size)
					if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Www-Authenticate") != "Basic" || body != "refused" {
						t.Errorf("%v, %q, %v", resp, body, err)
					}
				})
			}
			sending.Wait()
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		to := f.fronts()[2]
		var sending sync.WaitGroup
		for range clients {
			sending.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, to.url+"/v2/a/blobs/uploads/1?digest=x", bytes.NewReader(make([]byte, 4<<20)))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := to.client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = resp.Body.Close() }()
				if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || err != nil || string(body) != "refused" {
					t.Errorf("%s, %q, %v", resp.Status, body, err)
				}
			})
		}
		sending.Wait()
	})
}

// earlyRegistry answers a body when it begins, and leaves the connection open.
func earlyRegistry(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = r.Body.Read(make([]byte, 1))
		w.Header().Set("Content-Length", "7")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "refused")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// A client that pauses within its body is answered before it goes on, and what
// it then sends is not taken for another request.
func TestAnAnswerWaitsForNoBody(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Upstream.URL = earlyRegistry(t) })
	for _, length := range []string{"Content-Length: 1000000", "Content-Length: 100", "Transfer-Encoding: chunked"} {
		t.Run(length, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			part := "x"
			if strings.Contains(length, "chunked") {
				part = "1\r\nx\r\n"
			}
			_, _ = io.WriteString(conn, "PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n"+part)
			reader := bufio.NewReader(conn)
			resp, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusForbidden || string(body) != "refused" {
				t.Errorf("%s, %q, %v", resp.Status, body, err)
			}
			_, _ = io.WriteString(conn, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
			// Whoever still waits for the body is told that there is no more.
			_ = conn.(*net.TCPConn).CloseWrite()
			if rest, _ := io.ReadAll(reader); len(rest) != 0 {
				t.Errorf("a body was taken for a request: %q", rest)
			}
		})
	}
}

// The transport may read the body of a request that is over: then it is no
// more the request's. The race detector sees what it would touch.
func TestNothingIsReadAfterTheRequest(t *testing.T) {
	for name, configure := range map[string]func(*config.Config){
		"bounded": func(*config.Config) {}, "unbounded": func(c *config.Config) { c.Limits.TransferInterval = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, configure)
			f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Length", "0")
				w.WriteHeader(http.StatusForbidden)
				return true
			})
			for _, to := range f.fronts() {
				var sending sync.WaitGroup
				for range 8 {
					sending.Go(func() {
						for range 10 {
							sendSlowly(t, to)
						}
					})
				}
				sending.Wait()
			}
		})
	}
}

// sendSlowly sends a body in parts until there is an answer.
func sendSlowly(t *testing.T, to front) {
	reading, writing := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, to.url+"/v2/a/blobs/uploads/1", reading)
	if err != nil {
		t.Error(err)
		return
	}
	var parts sync.WaitGroup
	parts.Go(func() {
		for range 100 {
			if _, err := writing.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
		_ = writing.Close()
	})
	resp, err := to.client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s", resp.Status)
		}
	} else {
		t.Errorf("%s: %v", to.name, err)
	}
	_ = reading.Close()
	parts.Wait()
}
