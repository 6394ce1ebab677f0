package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// watch sends a request by net/http and gives up where the server pauses within
// a body, be it one that it takes or one that it sends. What the client takes
// its time with doesn't count.
func (t *Transport) watch(by *http.Transport, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	giveUp := func() { cancel(t.stalled) }
	out := req.WithContext(traceInterim(ctx))
	var sent *sentBody
	if req.Body != nil && req.Body != http.NoBody {
		sent = &sentBody{ReadCloser: req.Body, waiting: newPause(giveUp), stall: t.stall, last: t.stall + by.ResponseHeaderTimeout}
		out.Body = sent
	}
	resp, err := by.RoundTrip(out)
	if sent != nil {
		if failure := sent.end(resp); failure != nil {
			// What the server says to a part of a body counts for nothing.
			err = closeFailed(resp, failure)
		}
	}
	if err != nil {
		err = t.unanswered(ctx, err)
		cancel(nil)
		return nil, err
	}
	if err := checkStatus(resp.StatusCode); err != nil {
		cancel(nil)
		return nil, closeFailed(resp, err)
	}
	if resp.Body == http.NoBody {
		cancel(nil)
		return resp, nil
	}
	resp.Body = &receivedBody{ReadCloser: resp.Body, waiting: newPause(giveUp), stall: t.stall, ctx: ctx, done: func() { cancel(nil) }}
	return resp, nil
}

// unanswered names the reason for an error that net/http ended with.
func (t *Transport) unanswered(ctx context.Context, err error) error {
	if ctx.Err() == nil && strings.Contains(err.Error(), lateHeader) {
		return errors.Join(t.silent, err)
	}
	err = stalled(ctx, err)
	if late, is := errors.AsType[net.Error](err); is && late.Timeout() && !errors.Is(err, errTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		// That of a TLS handshake matches nothing.
		return fmt.Errorf("%w: %w", err, errTimeout)
	}
	return err
}

// closeFailed gives up a response, if there is one, for what went wrong.
func closeFailed(resp *http.Response, failure error) error {
	if resp != nil {
		_ = resp.Body.Close()
	}
	return failure
}

// stalled names the reason for an error where that was a pause.
func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrStalled) {
		return cause
	}
	return err
}

// newPause returns a timer that doesn't run yet.
func newPause(over func()) *time.Timer {
	timer := time.AfterFunc(time.Hour, over)
	timer.Stop()
	return timer
}

// sentBody is the body of a request. Between two reads the server is waited
// for; after the last one, for the response too.
type sentBody struct {
	io.ReadCloser
	waiting     *time.Timer
	stall, last time.Duration
	// ended says that there is a response, over that nobody wants more.
	ended, over atomic.Bool
	failure     atomic.Pointer[error]
}

// Read implements [io.Reader].
func (b *sentBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	b.waiting.Stop()
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		b.waiting.Reset(b.stall)
	case errors.Is(err, io.EOF):
		b.waiting.Reset(b.last)
	case !b.over.Load():
		b.failure.Store(&err)
	}
	if b.ended.Load() {
		b.waiting.Stop()
	}
	return n, err
}

// Close implements [io.Closer]. A reader that this ends has not failed.
func (b *sentBody) Close() error {
	b.over.Store(true)
	return b.ReadCloser.Close()
}

// end stops the watch when the response is there, and tells why the body could
// not be read to its end, if that is so. A server that has refused a request
// wants no more of it.
func (b *sentBody) end(resp *http.Response) error {
	if resp == nil || resp.StatusCode >= http.StatusMultipleChoices {
		b.over.Store(true)
	}
	b.ended.Store(true)
	b.waiting.Stop()
	if failure := b.failure.Load(); failure != nil {
		return *failure
	}
	return nil
}

// receivedBody is the body of a response. While it is read, the server is
// waited for.
type receivedBody struct {
	io.ReadCloser
	waiting *time.Timer
	stall   time.Duration
	// ctx is the request's, which the body lives as long as.
	ctx  context.Context
	done func()
}

// Read implements [io.Reader].
func (b *receivedBody) Read(p []byte) (int, error) {
	b.waiting.Reset(b.stall)
	n, err := b.ReadCloser.Read(p)
	b.waiting.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = stalled(b.ctx, err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *receivedBody) Close() error {
	b.waiting.Stop()
	err := b.ReadCloser.Close()
	b.done()
	return err
}
