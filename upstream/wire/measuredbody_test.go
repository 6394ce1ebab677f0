package wire_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/upstream/wire"
)

// content is larger than all buffers and steps.
func content(t *testing.T) []byte {
	t.Helper()
	body := make([]byte, 9<<20+12345)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	return body
}

// newServer returns a server, the way to it, and how many connections it took.
func newServer(t *testing.T, handler http.Handler, o wire.Options) (way, *httptest.Server, *atomic.Int64) {
	t.Helper()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return at(t, "http", server.Listener, o), server, &connections
}

// moved reads a body by a front server, as clients of the proxy do.
func moved(t *testing.T, by way) ([]byte, error) {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := by.RoundTrip(by.request(r.Context(), http.MethodGet))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.ContentLength >= 0 {
			w.Header().Set("Content-Length", fmt.Sprint(resp.ContentLength))
		}
		w.WriteHeader(resp.StatusCode)
		if err := move(w, resp.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	defer front.Close()
	resp, err := http.Get(front.URL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

// mover is a body that the system can move.
type mover interface {
	Move(to wire.Mover, most int64, within time.Duration) (int64, error)
}

// move writes a body the best way that it can be written.
func move(w http.ResponseWriter, body io.Reader) error {
	able, moves := body.(mover)
	if !moves {
		_, err := io.Copy(w, body)
		return err
	}
	for {
		switch _, err := able.Move(w.(wire.Mover), 100_000, time.Minute); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func TestBodyMovesBodies(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		large := content(t)
		for name, body := range map[string][]byte{"large": large, "small": []byte("small"), "empty": nil} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, chunked %t", name, chunked), func(t *testing.T) {
					by, _, connections := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						if !chunked {
							w.Header().Set("Content-Length", fmt.Sprint(len(body)))
						} else {
							w.(http.Flusher).Flush()
						}
						_, _ = w.Write(body)
					}), o)
					for range 3 {
						if got, err := moved(t, by); err != nil || !bytes.Equal(got, body) {
							t.Fatalf("%d bytes of %d, %v", len(got), len(body), err)
						}
					}
					if n := connections.Load(); n != 1 {
						t.Errorf("%d connections for three requests after each other", n)
					}
				})
			}
		}
	})
}

// A body that is read, not moved, is the same.
func TestBodyCanBeRead(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		body := content(t)
		by, _, _ := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
		}), o)
		resp, err := by.RoundTrip(by.request(t.Context(), http.MethodGet))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
		}
	})
}

// A short body never looks whole, and its connection is not used again.
func TestBodyBreaksOff(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		by, _, connections := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 500_000))
			panic(http.ErrAbortHandler)
		}), o)
		for range 2 {
			if got, err := moved(t, by); err == nil {
				t.Errorf("%d bytes and no error", len(got))
			}
		}
		if n := connections.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// A connection that the registry closed while it was idle costs no request.
func TestBodyFindsIdleConnectionClosed(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		by, server, _ := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }), o)
		for range 5 {
			if got, err := moved(t, by); err != nil || string(got) != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			server.CloseClientConnections()
		}
	})
}

// The end of the request ends a registry's silence, before and in the body.
func TestBodyEndsWithItsRequest(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		for name, begin := range map[string]func(http.ResponseWriter){
			"before the header": func(http.ResponseWriter) {},
			"in the body": func(w http.ResponseWriter) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("x"))
				w.(http.Flusher).Flush()
			},
		} {
			t.Run(name, func(t *testing.T) {
				by, _, _ := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					begin(w)
					<-r.Context().Done()
				}), o)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				resp, err := by.RoundTrip(by.request(ctx, http.MethodGet))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if err == nil {
					t.Error("no error")
				}
			})
		}
	})
}

// What a registry sends unasked on an idle connection is no answer.
func TestBodyMistrustsIdleConnectionsThatSpeak(t *testing.T) {
	eachWay(t, func(t *testing.T, o wire.Options) {
		idle, spoken := make(chan struct{}, 1), make(chan struct{}, 1)
		by, _, connections := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
			<-idle
			_, _ = io.WriteString(conn, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
			if o.Standard {
				// It has a reader, which closes the connection.
				_, _ = io.Copy(io.Discard, conn)
			} else {
				hasArrived(t, conn)
			}
			spoken <- struct{}{}
		}), o)
		for range 3 {
			resp, err := by.RoundTrip(by.request(t.Context(), http.MethodGet))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK || string(body) != "x" {
				t.Errorf("status %d, body %q, %v", resp.StatusCode, body, err)
			}
			idle <- struct{}{}
			<-spoken
		}
		if n := connections.Load(); n != 3 {
			t.Errorf("%d connections", n)
		}
	})
}
