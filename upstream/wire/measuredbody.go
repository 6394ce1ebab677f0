package wire

import (
	"errors"
	"io"
	"time"
)

// Mover is what the body of a response can be moved to, without a copy in the
// memory of this process, by its method Move(to Mover, most int64, within
// time.Duration) (int64, error). A body has that where its length is known, it is
// so long that this takes less than a copy, and the connection that it comes by
// is plain TCP, and the package's own. Where the Mover is a plain TCP connection too the
// system moves the body; another reads it.
//
// Move writes the next part, at most so much, for which the Mover may take so
// long, and returns how much it was. Error: [io.EOF] after the last part,
// [io.ErrUnexpectedEOF] where the body breaks off, [ErrStalled] where the server
// pauses. After another error the body can't be read on.
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
	if err := b.expect(b.connections.transport.stall); err != nil {
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

// Move writes the next part of the body, at most so much, to a connection that
// has to be plain TCP too, so that the system can move it, and that may take so
// long over it. What follows the header in the memory already is written from
// there. Error: [io.EOF] after the last part.
func (b *movedBody) Move(to Mover, most int64, within time.Duration) (int64, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if buffered := min(int64(b.connection.reader.Buffered()), b.left, most); buffered > 0 {
		return io.CopyN(to, &b.measuredBody, buffered)
	}
	if err := b.await(within); err != nil {
		return 0, err
	}
	n, err := to.ReadFrom(&io.LimitedReader{R: b.connection.socket, N: min(b.left, most)})
	b.count(n)
	switch {
	case err != nil:
		return n, b.failed(err)
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

// await waits until there is something to move. From then on server and
// client are waited for together.
func (b *movedBody) await(within time.Duration) error {
	if err := b.expect(b.connections.transport.stall); err != nil {
		return err
	}
	if err := awaitReadable(b.connection.socket); err != nil {
		return b.failed(err)
	}
	return b.expect(b.connections.transport.stall + within)
}
