package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/upstream/wire"
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

// eachWay runs a test by connections of the package's own, and by net/http.
func eachWay(t *testing.T, test func(t *testing.T, o wire.Options)) {
	t.Helper()
	for name, standard := range map[string]bool{"own": false, "standard": true} {
		t.Run(name, func(t *testing.T) { test(t, wire.Options{Standard: standard}) })
	}
}

// way is a transport to one server.
type way struct {
	*wire.Transport
	to url.URL
}

// at returns the way to the server at a listener.
func at(t testing.TB, scheme string, listener net.Listener, o wire.Options) way {
	t.Helper()
	transport := wire.New(o)
	t.Cleanup(transport.Close)
	return way{transport, url.URL{Scheme: scheme, Host: listener.Addr().String()}}
}

// request returns one without a body.
func (w way) request(ctx context.Context, method string) *http.Request {
	target := w.to
	target.Path = "/v2/a/manifests/x"
	return (&http.Request{Method: method, URL: &target, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
}

// exchanged is what came of a request, its body read to the end.
type exchanged struct {
	*http.Response
	body string
	err  error
}

func exchange(ctx context.Context, by way, method string) exchanged {
	resp, err := by.RoundTrip(by.request(ctx, method))
	if err != nil {
		return exchanged{nil, "", err}
	}
	body, err := io.ReadAll(resp.Body)
	return exchanged{resp, string(body), errors.Join(err, resp.Body.Close())}
}
