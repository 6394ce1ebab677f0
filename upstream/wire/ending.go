package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"time"
)

// prompt is how long the header of a response may take before it counts that the
// request may end meanwhile.
const prompt = 100 * time.Millisecond

// ending has the end of a request's context end all reading from its connection.
// To listen for that costs as much as to parse the response, so it is begun only
// where there is something to wait for: most small answers are there within
// [prompt], in one piece.
type ending struct {
	ctx        context.Context //nolint:containedctx // It is what is listened to.
	connection *connection
	// stop is nil until it is listened.
	stop func() bool
}

// listen begins to listen, unless that has begun.
func (e *ending) listen() {
	if e.stop == nil {
		c := e.connection
		e.stop = context.AfterFunc(e.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	}
}

// over ends listening, and tells whether the connection is as it was.
func (e *ending) over() bool {
	return e.stop == nil || e.stop()
}

// awaitHeader waits for the header of a response until the deadline, which that of
// the connection is from then on, unless the whole header is there already.
func (e *ending) awaitHeader(deadline time.Time) error {
	c := e.connection
	first := time.Now().Add(prompt)
	if first.After(deadline) {
		first = deadline
	}
	err := c.SetReadDeadline(first)
	if err == nil {
		_, err = c.reader.Peek(1)
	}
	if err == nil && !wholeHeader(c.reader) || errors.Is(err, errTimeout) {
		err = e.awaitMore(deadline)
	}
	return err
}

// awaitMore waits for the next byte, and listens.
func (e *ending) awaitMore(deadline time.Time) error {
	e.listen()
	if err := errors.Join(e.connection.SetReadDeadline(deadline), context.Cause(e.ctx)); err != nil {
		return err
	}
	_, err := e.connection.reader.Peek(1)
	return err
}

// wholeHeader tells whether a header can be read without a wait.
func wholeHeader(r *bufio.Reader) bool {
	// As much is buffered.
	buffered, _ := r.Peek(r.Buffered())
	return bytes.Contains(buffered, []byte("\r\n\r\n"))
}
