package wrap

import (
	"io"
	"net/http"
	"time"
)

const (
	// largestStep is how much of a body the system is asked to move at once.
	largestStep = 1 << 20
	// anyTime is given to clients where no limit is set.
	anyTime = 24 * time.Hour
)

// Patience is how long a client may keep backref waiting within a body: each
// Interval of waiting has to bring Size bytes. An Interval of 0 lets all take
// their time; else Size is at least 1.
type Patience struct {
	Interval time.Duration
	Size     int64
}

// For returns how long a client may take over n bytes of a body.
func (p Patience) For(n int64) time.Duration {
	if p.Interval <= 0 {
		return anyTime
	}
	return p.Interval * time.Duration(max(1, n/p.Size))
}

// PaceOptions are what [Pace] needs; all are required.
type PaceOptions struct {
	// Patience returns that of the moment; a request has it to its end.
	Patience func() Patience
	// Buffers are what bodies are copied by.
	Buffers *Buffers
	Metrics *Metrics
}

// Pace cuts clients off that keep backref waiting within a body for longer than
// the patience with them lasts. A transfer as a whole may take as long as it
// takes, and what the registry is waited for doesn't count. When the request is
// over, so is its body.
func Pace(o PaceOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.serve(next, w, r) })
	}
}

func (o *PaceOptions) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	waiting := transfer{pace: o, patience: o.Patience(), control: control, http2: r.ProtoMajor > 1}
	guarded := &guardedWriter{ResponseWriter: w, transfer: waiting}
	if r.Body != nil && r.Body != http.NoBody {
		guarded.body = &guardedBody{ReadCloser: r.Body, transfer: waiting}
		withBody := *r
		withBody.Body = guarded.body
		r = &withBody
		// A connection may still have the deadline of its last response,
		// and is written to when the body is asked for.
		_ = control.SetWriteDeadline(time.Time{})
	}
	e := EntryOf(r)
	e.answer = guarded
	returned := false
	defer func() {
		// The server sends what is left of the response, and reads what is
		// left of the request.
		end := time.Now().Add(waiting.patience.For(1))
		_ = control.SetWriteDeadline(end)
		if guarded.body != nil {
			guarded.body.leave(end, returned)
			e.received = guarded.body.received
		}
	}()
	next.ServeHTTP(guarded, r)
	returned = true
}

// transfer is one body under way, in one direction.
type transfer struct {
	pace     *PaceOptions
	patience Patience
	control  *http.ResponseController
	// http2 says that a deadline also ends a stream that nobody waits for.
	http2 bool
	// waited is how long the client was waited for while it moved so much.
	waited time.Duration
	moved  int64
}

// deadline is until when n bytes have to be moved.
func (t *transfer) deadline(start time.Time, n int64) time.Time {
	return start.Add(t.patience.For(n) - t.waited)
}

// count adds what was moved since start.
func (t *transfer) count(start time.Time, n int64) {
	t.waited += time.Since(start)
	if t.moved += n; t.moved >= t.patience.Size {
		t.waited, t.moved = 0, 0
	}
}

// guardedWriter writes the response.
type guardedWriter struct {
	http.ResponseWriter
	transfer
	status int
	// body is the request's; nil for none.
	body *guardedBody
}

// WriteHeader implements [http.ResponseWriter].
func (w *guardedWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.final(status)
		w.ResponseWriter.WriteHeader(status)
		return
	}
	// It is sent at once.
	start, deadline := w.begin(1)
	w.ResponseWriter.WriteHeader(status)
	w.end(start, deadline, 0, nil)
}

// final notes the status of the answer. Of a request that is refused nothing
// more is read.
func (w *guardedWriter) final(status int) {
	w.status = status
	if w.body == nil {
		return
	}
	if status >= http.StatusMultipleChoices {
		w.body.over.Store(true)
	}
	if w.body.underway() && !w.http2 {
		// Whoever still reads there waits for the client, and the server would
		// for both before it sends the first byte.
		_ = w.control.EnableFullDuplex()
		w.Header().Set("Connection", "close")
	}
}

// Status returns the status that was written; 0 before.
func (w *guardedWriter) Status() int {
	return w.status
}

// Write implements [io.Writer].
func (w *guardedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.final(http.StatusOK)
	}
	start, deadline := w.begin(int64(len(p)))
	n, err := w.ResponseWriter.Write(p)
	w.end(start, deadline, int64(n), err)
	return n, err
}

// FlushError sends what is buffered. [http.ResponseController] finds it.
func (w *guardedWriter) FlushError() error {
	start, deadline := w.begin(1)
	err := w.control.Flush()
	w.end(start, deadline, 0, err)
	return err
}

// ReadFrom implements [io.ReaderFrom], step by step, so that the system can
// move what comes from a connection. The time of a step also runs while the
// registry is waited for, which is bounded on that side.
func (w *guardedWriter) ReadFrom(r io.Reader) (total int64, err error) {
	to, able := w.ResponseWriter.(io.ReaderFrom)
	from, limited := r.(*io.LimitedReader)
	if !able || !limited || w.http2 {
		buffer := w.pace.Buffers.Get()
		defer w.pace.Buffers.Put(buffer)
		return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buffer[:])
	}
	for from.N > 0 {
		want := min(from.N, largestStep)
		start, deadline := w.begin(want)
		n, err := to.ReadFrom(&io.LimitedReader{R: from.R, N: want})
		w.end(start, deadline, n, err)
		total += n
		from.N -= n
		if err != nil || n < want {
			return total, err
		}
	}
	return total, nil
}

// begin sets the time in which n bytes have to be written.
func (w *guardedWriter) begin(n int64) (start, deadline time.Time) {
	start = time.Now()
	deadline = w.deadline(start, n)
	_ = w.control.SetWriteDeadline(deadline)
	return start, deadline
}

// end counts what was written, and a client that was too slow.
func (w *guardedWriter) end(start, deadline time.Time, moved int64, err error) {
	w.count(start, moved)
	if w.http2 {
		_ = w.control.SetWriteDeadline(time.Time{})
	}
	if err != nil && !time.Now().Before(deadline) {
		w.pace.Metrics.cut.Inc()
	}
}

// Unwrap lets [http.ResponseController] find the server's own writer.
func (w *guardedWriter) Unwrap() http.ResponseWriter {
	return w.ResponseWriter
}
