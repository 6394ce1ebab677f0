package upstream

import (
	"errors"
	"io"
	"time"
)

const (
	// moveStep is how much the system is asked to move at once.
	moveStep = 256 << 10
	// moveTime is how long a client may take over that.
	moveTime = 2 * time.Minute
)

// Mover is what a body can be moved to.
type Mover interface {
	io.Writer
	io.ReaderFrom
}

// measuredBody is a body whose length the header says. It is read from the
// connection itself.
type measuredBody struct {
	received
	left int64
}

// Read implements [io.Reader].
func (b *measuredBody) Read(p []byte) (int, error) {
	if err := b.expect(b.connections.stall); err != nil {
		return 0, err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.connection.reader.Read(p[:min(int64(len(p)), b.left)])
	b.count(int64(n))
	return n, b.early(err)
}

// count notes what was read.
func (b *measuredBody) count(n int64) {
	b.left -= n
	b.ended = b.left == 0
}

// early turns an end before the whole body is there into an error.
func (b *measuredBody) early(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && b.left > 0:
		return io.ErrUnexpectedEOF
	default:
		return b.failed(err)
	}
}

// movedBody is one whose connection is plain TCP.
type movedBody struct {
	measuredBody
}

// MoveTo writes the body to a connection, which has to be plain TCP too, so
// that the system can move it. What follows the header in the memory already
// is written from there.
func (b *movedBody) MoveTo(w Mover) (written int64, err error) {
	if buffered := min(int64(b.connection.reader.Buffered()), b.left); buffered > 0 {
		n, err := io.CopyN(w, &b.measuredBody, buffered)
		if written += n; err != nil {
			return written, err
		}
	}
	for b.left > 0 {
		if err := b.await(); err != nil {
			return written, err
		}
		n, err := w.ReadFrom(&io.LimitedReader{R: b.connection.socket, N: min(b.left, moveStep)})
		written += n
		b.count(n)
		switch {
		case err != nil:
			return written, b.failed(err)
		case n == 0:
			return written, io.ErrUnexpectedEOF
		}
	}
	return written, nil
}

// await waits until there is something to move. From then on registry and
// client are waited for together.
func (b *movedBody) await() error {
	if err := b.expect(b.connections.stall); err != nil {
		return err
	}
	if err := awaitReadable(b.connection.socket); err != nil {
		return b.failed(err)
	}
	return b.expect(b.connections.stall + moveTime)
}
