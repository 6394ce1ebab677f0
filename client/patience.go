package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// DefaultTimeout is how long a registry may keep a client waiting unless it is
// told otherwise.
const DefaultTimeout = 30 * time.Second

// storing is how many times longer a registry may take to answer what was sent to
// it: it may have to move a large blob within its storage before it does.
const storing = 10

// SilenceError says that a registry kept a client waiting for too long. What was
// asked is not tried again.
type SilenceError struct {
	// Host is the registry's, and Waited how long it said nothing.
	Host   string
	Waited time.Duration
}

func (e *SilenceError) Error() string {
	return fmt.Sprintf("%s was silent for %s; give it more time by --timeout", e.Host, e.Waited)
}

// patience is a transport that gives a request up once the registry has taken or
// sent nothing of it for some time. It may be used concurrently.
type patience struct {
	next    http.RoundTripper
	timeout time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (p patience) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{timeout: p.timeout, host: req.URL.Host, cancel: cancel}
	sent := req.Clone(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		w.timeout = p.timeout * storing
		sent.Body = &watchedBody{ReadCloser: req.Body, watch: w, sending: true}
	}
	w.start(false)
	resp, err := p.next.RoundTrip(sent)
	if err != nil {
		w.stop()
		if cause := context.Cause(ctx); req.Context().Err() == nil && cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	w.answered(p.timeout)
	resp.Body = &watchedBody{ReadCloser: resp.Body, watch: w, ctx: ctx}
	return resp, nil
}

// watch ends a request when nothing has moved for its timeout.
type watch struct {
	mutex   sync.Mutex
	timer   *time.Timer
	timeout time.Duration
	host    string
	cancel  context.CancelCauseFunc
	// isAnswered says that the header of the answer is there.
	isAnswered bool
}

// start begins to wait anew. What is still sent when the answer is there is not
// waited for.
func (w *watch) start(sending bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if sending && w.isAnswered {
		return
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	waited := w.timeout
	w.timer = time.AfterFunc(waited, func() { w.cancel(&SilenceError{w.host, waited}) })
}

// stop says that nothing is waited for.
func (w *watch) stop() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.timer.Stop()
}

// answered says that the header of the answer is there; what it is waited for in
// its body.
func (w *watch) answered(timeout time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.isAnswered, w.timeout = true, timeout
	w.timer.Stop()
}

// watchedBody is a body by which a watch sees that something moves. Of an answer
// only the reads are waited for, not what the reader does between them.
type watchedBody struct {
	io.ReadCloser
	watch   *watch
	sending bool
	// ctx is that of an answer.
	ctx context.Context //nolint:containedctx // It is the request's, which the body outlives.
}

// Read implements [io.Reader].
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.start(b.sending)
	n, err := b.ReadCloser.Read(p)
	if b.sending {
		return n, err
	}
	b.watch.stop()
	if err != nil && err != io.EOF { //nolint:errorlint // Readers return it as it is.
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

// Close implements [io.Closer].
func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	if !b.sending {
		b.watch.stop()
		b.watch.cancel(nil)
	}
	return err
}
