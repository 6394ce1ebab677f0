package wire_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/upstream/wire"
)

// listened is a context that counts who listens for its end.
type listened struct {
	context.Context //nolint:containedctx // It is one.

	began, stopped atomic.Int64
}

// Value hides the context that it is made of, which others would listen to.
func (l *listened) Value(any) any { return nil }

// AfterFunc is what package context calls where a context has it.
func (l *listened) AfterFunc(f func()) (stop func() bool) {
	l.began.Add(1)
	stopInner := context.AfterFunc(l.Context, f)
	return func() bool {
		l.stopped.Add(1)
		return stopInner()
	}
}

// Nobody listens for the end of a request whose answer is there at once, in one
// piece, and nobody goes on listening after any other.
func TestEndsAreListenedForWhereThereIsAWait(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
	for name, c := range map[string]struct {
		answer string
		waits  bool
	}{
		"whole": {whole, false}, "no body": {"HTTP/1.1 204 No Content\r\n\r\n", false},
		"after another": {"HTTP/1.1 103 Early Hints\r\n\r\n" + whole, true},
		"chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true},
		"large":         {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 100_000), true},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newBytewise(t, listen(t), says(c.answer))
			by := at(t, "http", fake.listener, wire.Options{})
			ends, end := context.WithCancel(t.Context())
			defer end()
			// To open the connection is a wait.
			exchange(t.Context(), by, http.MethodGet)
			const tries = 100
			at := 0
			for ; at < tries; at++ {
				ctx := &listened{Context: ends}
				got := exchange(ctx, by, http.MethodGet)
				began := ctx.began.Load()
				if got.err != nil || ctx.stopped.Load() != began || c.waits && began != 1 {
					t.Fatalf("%v; %d listened, %d of them no more", got.err, began, ctx.stopped.Load())
				}
				if began == 0 {
					break
				}
			}
			if !c.waits && at == tries {
				t.Error("always listened for")
			}
			if opened := fake.connections.Load(); opened != 1 {
				t.Errorf("%d connections", opened)
			}
		})
	}
}

// A header that comes in parts is read to its end.
func TestHeadersComeInParts(t *testing.T) {
	more := make(chan struct{}, 1)
	fake := newBytewise(t, listen(t), func(to net.Conn, _ *http.Request, _ int64) bool {
		for _, part := range []string{"HTTP/1.1 200 OK\r\nContent-", "Length: 3\r\n", "\r\na", "bc"} {
			<-more
			if _, err := to.Write([]byte(part)); err != nil {
				return false
			}
		}
		return true
	})
	feed, enough := context.WithCancel(t.Context())
	defer enough()
	go func() {
		for feed.Err() == nil {
			select {
			case more <- struct{}{}:
			case <-feed.Done():
			}
		}
	}()
	by := at(t, "http", fake.listener, wire.Options{})
	for range 2 {
		if got := exchange(t.Context(), by, http.MethodGet); got.err != nil || got.body != "abc" {
			t.Errorf("%q, %v", got.body, got.err)
		}
	}
}
