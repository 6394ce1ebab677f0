package wrap

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backref/backref/oci"
)

// lingerTime is how long a client that is asked for more of a body, but was
// answered, has to send it or to leave.
const lingerTime = 5 * time.Second

// guardedBody is the body of a request.
type guardedBody struct {
	io.ReadCloser
	transfer
	// over says that nothing more is read.
	over atomic.Bool
	// reading is held by the goroutine that reads. That may be the transport's,
	// which goes on for as long as it doesn't know that the request is over.
	reading      sync.Mutex
	begun, ended bool
	// received is how much was read.
	received int64
	// until is when all of it has to be there; zero where it may take longer.
	until time.Time
}

// Read implements [io.Reader].
func (b *guardedBody) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	b.begun = true
	start := time.Now()
	deadline := b.deadline(start, 1)
	if !b.until.IsZero() && b.until.Before(deadline) {
		deadline = b.until
	}
	_ = b.control.SetReadDeadline(deadline)
	n, err := b.ReadCloser.Read(p)
	b.count(start, int64(n))
	b.received += int64(n)
	if b.ended = errors.Is(err, io.EOF); b.ended || b.http2 {
		// After its end the connection is only watched.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return n, err
	case !b.until.IsZero() && !time.Now().Before(b.until):
		// Whoever set that time says what it means.
		return n, err
	default:
		return n, b.tooSlow(err)
	}
}

func (b *guardedBody) tooSlow(cause error) error {
	slow := oci.Unavailable(http.StatusRequestTimeout, "the body came too slowly; send it again over a better connection, or in chunks", cause)
	slow.Limit = limitTransferInterval
	if !b.http2 {
		slow.Header.Set("Connection", "close")
	}
	return slow
}

// Close implements [io.Closer]. The server closes its own, and reads on before
// it does.
func (b *guardedBody) Close() error {
	b.over.Store(true)
	return nil
}

// underway tells whether somebody reads the body, or has begun to and may go on
// at any instant.
func (b *guardedBody) underway() bool {
	if !b.reading.TryLock() {
		return true
	}
	defer b.reading.Unlock()
	return b.begun && !b.ended
}

// busy tells whether somebody is reading.
func (b *guardedBody) busy() bool {
	if !b.reading.TryLock() {
		return true
	}
	b.reading.Unlock()
	return false
}

// leave waits for whoever still reads: after the request the body is the
// server's, and the connection the next request's. The client has the answer
// by then, and some time to hear it in; to be broken off it needs none.
func (b *guardedBody) leave(end time.Time, answered bool) {
	b.over.Store(true)
	if b.busy() {
		switch soon := time.Now().Add(lingerTime); {
		case b.http2 || !answered:
			_ = b.control.SetReadDeadline(time.Unix(1, 0))
		case b.control.Flush() == nil && soon.Before(end):
			_ = b.control.SetReadDeadline(soon)
		default:
			_ = b.control.SetReadDeadline(end)
		}
		b.reading.Lock()
		defer b.reading.Unlock()
	}
	if !b.ended {
		_ = b.control.SetReadDeadline(end)
	}
}

// Hurry gives a client until then to send the rest of a body, however much it
// sends in time. Reading it ends with [os.ErrDeadlineExceeded] then. The caller
// has to call rest when it has read the body.
func Hurry(w http.ResponseWriter, r *http.Request, until time.Time) (rest func(), err error) {
	if body, guarded := r.Body.(*guardedBody); guarded {
		body.until = until
		return func() {}, nil
	}
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(until); err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			return func() {}, nil
		}
		return nil, fmt.Errorf("bound the time of a body: %w", err)
	}
	return func() { _ = connection.SetReadDeadline(time.Time{}) }, nil
}
