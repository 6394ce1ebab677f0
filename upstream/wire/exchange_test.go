package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/upstream/wire"
)

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
		"with two lengths":        {"GET", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "", true, false},
		"no HTTP":                 {"GET", "SSH-2.0-OpenSSH_9.9\r\n", "", true, false},
		"with too large a header": {"GET", ok + "X-Large: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "", true, false},
	}
	eachWay(t, func(t *testing.T, o wire.Options) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				fake := newBytewise(t, listen(t), says(c.answer))
				by := at(t, "http", fake.listener, o)
				for range 2 {
					got := exchange(t.Context(), by, c.method)
					if (got.err != nil) != c.fails || got.body != c.body {
						t.Fatalf("body %q, error %v", got.body, got.err)
					}
				}
				if again := fake.connections.Load() == 1; again != c.again || fake.requests.Load() != 2 {
					t.Errorf("%d requests by %d connections", fake.requests.Load(), fake.connections.Load())
				}
			})
		}
	})
}

// What a server sends behind an answer is no answer to the next request. By
// package net/http it is one where that request comes before it notices, so this
// holds for connections of the package's own.
func TestNothingUnaskedIsAnAnswer(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
	cases := map[string]struct{ method, answer, body string }{
		"longer than it says":  {http.MethodGet, answer + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX", "abc"},
		"to HEAD, with a body": {http.MethodHead, answer, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fake := newBytewise(t, listen(t), says(c.answer))
			by := at(t, "http", fake.listener, wire.Options{})
			for range 2 {
				if got := exchange(t.Context(), by, c.method); got.err != nil || got.body != c.body {
					t.Fatalf("body %q, error %v", got.body, got.err)
				}
			}
			if fake.connections.Load() != 2 {
				t.Errorf("%d connections", fake.connections.Load())
			}
		})
	}
}

func TestTrailersFollowBodies(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		fake := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"))
		got := exchange(t.Context(), at(t, "http", fake.listener, o), http.MethodGet)
		if got.err != nil || got.body != "a" || got.Trailer.Get("X-Sum") != "1" {
			t.Errorf("%q, trailer %v, %v", got.body, got.Trailer, got.err)
		}
	})
}

// A body of chunks that breaks off is no whole one.
func TestBrokenChunks(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
			_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
			return false
		})
		if got := exchange(t.Context(), at(t, "http", fake.listener, o), http.MethodGet); !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", got.body, got.err)
		}
	})
}

// A request that the server did not answer because it closed an idle connection
// just then is sent again, if it changes nothing.
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
			eachWay(t, func(t *testing.T, o wire.Options) {
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
				by := at(t, "http", fake.listener, o)
				if first := exchange(t.Context(), by, c.method); first.err != nil {
					t.Fatal(first.err)
				}
				second := exchange(t.Context(), by, c.method)
				if again := second.err == nil; again != (c.requests == 3) || fake.requests.Load() != c.requests {
					t.Errorf("%d requests, %v", fake.requests.Load(), second.err)
				}
			})
		})
	}
}

// A new connection that fails is not tried again and again.
func TestNewConnectionsAreTriedOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		fake := newBytewise(t, listen(t), func(net.Conn, *http.Request, int64) bool { return false })
		if got := exchange(t.Context(), at(t, "http", fake.listener, o), http.MethodGet); got.err == nil {
			t.Error("no error")
		}
		if n := fake.requests.Load(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestPhasesHaveTheirTimes(t *testing.T) {
	const short = 50 * time.Millisecond
	header, stall := wire.Options{ResponseHeader: short}, wire.Options{Stall: short}
	for name, c := range map[string]struct {
		answer string
		bound  wire.Options
		class  error
		// names is the setting that the error names.
		names string
	}{
		"header":         {"", header, wire.ErrSilent, "here.responseHeader"},
		"part of header": {"HTTP/1.1 200 OK\r\nContent-", header, wire.ErrSilent, "here.responseHeader"},
		"body":           {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", stall, wire.ErrStalled, "here.stall"},
		"chunks":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na", stall, wire.ErrStalled, "here.stall"},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, o wire.Options) {
				fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, before int64) bool {
					if before == 0 {
						_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						return true
					}
					_, _ = io.WriteString(to, c.answer)
					return true
				})
				bound := c.bound
				bound.Standard, bound.Settings = o.Standard, "here"
				by := at(t, "http", fake.listener, bound)
				if first := exchange(t.Context(), by, http.MethodGet); first.err != nil {
					t.Fatal(first.err)
				}
				// A server that is late on an old connection is not asked again.
				got := exchange(t.Context(), by, http.MethodGet)
				if !errors.Is(got.err, c.class) || !errors.Is(got.err, os.ErrDeadlineExceeded) || !strings.Contains(got.err.Error(), c.names) {
					t.Error(got.err)
				}
				if n := fake.requests.Load(); n != 2 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// A body may take longer than its header.
func TestBodiesTakeTheirTime(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		o.ResponseHeader = 200 * time.Millisecond
		fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
			_, _ = io.WriteString(to, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
			pace := time.NewTicker(o.ResponseHeader / 2)
			defer pace.Stop()
			for range 4 {
				<-pace.C
				_, _ = io.WriteString(to, "a")
			}
			return true
		})
		by := at(t, "http", fake.listener, o)
		for range 2 {
			if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || got.body != "aaaa" {
				t.Errorf("%q, %v", got.body, got.err)
			}
		}
	})
}

// The end of a request ends it, for the cause that it ended for.
func TestRequestsEndForTheirCause(t *testing.T) {
	cause := errors.New("nobody wants it")
	for name, begins := range map[string]string{
		"header": "", "part of it": "HTTP/1.1 200 OK\r\nContent-", "after another": "HTTP/1.1 103 Early Hints\r\n\r\n",
		"body": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", "chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na",
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, o wire.Options) {
				asked := make(chan struct{})
				fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
					_, _ = io.WriteString(to, begins)
					close(asked)
					return true
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					<-asked
					cancel(cause)
				}()
				if got := exchange(ctx, at(t, "http", fake.listener, o), http.MethodGet); !errors.Is(got.err, cause) {
					t.Error(got.err)
				}
			})
		})
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
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
		o.MaxIdleConnections = 1
		by := at(t, "http", fake.listener, o)
		var asking sync.WaitGroup
		for range 3 {
			asking.Go(func() {
				if got := exchange(t.Context(), by, http.MethodGet); got.err != nil {
					t.Error(got.err)
				}
			})
		}
		asking.Wait()
		<-fake.left
		<-fake.left
		if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || fake.connections.Load() != 3 {
			t.Errorf("%d connections, %v", fake.connections.Load(), got.err)
		}
	})
}

// A connection that nobody needs is closed, although nobody asks anything.
func TestIdleConnectionsAreClosed(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		fake := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		o.Idle = 20 * time.Millisecond
		by := at(t, "http", fake.listener, o)
		for range 2 {
			if got := exchange(t.Context(), by, http.MethodGet); got.err != nil {
				t.Fatal(got.err)
			}
			<-fake.left
		}
	})
}

// A connection is for one server, by one scheme and under one name.
func TestConnectionsAreForOneServer(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		one := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"))
		two := newBytewise(t, listen(t), says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"))
		by := at(t, "http", one.listener, o)
		other := by
		other.to.Host = two.listener.Addr().String()
		for range 2 {
			if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || got.body != "1" {
				t.Errorf("%q, %v", got.body, got.err)
			}
			if got := exchange(t.Context(), other, http.MethodGet); got.err != nil || got.body != "2" {
				t.Errorf("%q, %v", got.body, got.err)
			}
		}
		if one.connections.Load() != 1 || two.connections.Load() != 1 {
			t.Errorf("%d and %d connections", one.connections.Load(), two.connections.Load())
		}
	})
}

// What is no request is refused.
func TestRequestsHaveToBeSome(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		by := at(t, "http", listen(t), o)
		for _, spoil := range []func(*http.Request){
			func(r *http.Request) { r.URL = nil },
			func(r *http.Request) { r.URL.Host = "" },
			func(r *http.Request) { r.URL.Scheme = "ftp" },
			func(r *http.Request) { r.Header = nil },
		} {
			request := by.request(t.Context(), http.MethodGet)
			spoil(request)
			if resp, err := by.RoundTrip(request); err == nil {
				_ = resp.Body.Close()
				t.Errorf("%+v was sent", request)
			}
		}
	})
}
