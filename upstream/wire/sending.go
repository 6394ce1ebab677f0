package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// sendStep is how much of a body is sent at once.
const sendStep = 128 << 10

// dialFunc opens a connection, as that of [net.Dialer] does.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// sender dials connections that send bodies in larger steps than net/http does
// by itself, from memory that is used again.
type sender struct {
	dial    dialFunc
	buffers sync.Pool
}

// dialContext is the DialContext of a [http.Transport].
func (s *sender) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &sendingConn{Conn: conn, sender: s, closed: make(chan struct{})}, nil
}

// answerTime is how long an answer is looked for on a connection that takes no
// more of a request.
const answerTime = 5 * time.Second

// handshakeRecord is what TLS begins with (RFC 8446, section 5.1), and no method
// of HTTP.
const handshakeRecord = 0x16

// sendingConn is one such connection. A server that refuses a body answers
// and closes the connection; net/http gives up as soon as it can't send the
// rest, be there an answer to read or not. So the end of sending is told when
// reading has ended too: then the connection is closed.
type sendingConn struct {
	net.Conn
	sender *sender
	// begun says that something was written, secure that this began a TLS
	// handshake. Whoever writes has them.
	begun, secure bool
	// heard says that something was read, deaf that nothing more can be.
	heard, deaf atomic.Bool
	ending      sync.Once
	closed      chan struct{}
}

// Read implements [io.Reader].
func (c *sendingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case err != nil:
		c.deaf.Store(true)
	case !c.heard.Load():
		c.heard.Store(true)
	}
	return n, err
}

// Write implements [io.Writer].
func (c *sendingConn) Write(p []byte) (int, error) {
	if !c.begun && len(p) > 0 {
		c.begun, c.secure = true, p[0] == handshakeRecord
	}
	n, err := c.Conn.Write(p)
	c.awaitAnswer(err)
	return n, err
}

// awaitAnswer waits, after a failure to send, until the connection was read to
// its end, if anybody reads: while TLS is agreed upon nobody does.
func (c *sendingConn) awaitAnswer(failure error) {
	if failure == nil || c.deaf.Load() || c.secure && !c.heard.Load() || errors.Is(failure, net.ErrClosed) {
		return
	}
	patience := time.NewTimer(answerTime)
	defer patience.Stop()
	select {
	case <-c.closed:
	case <-patience.C:
	}
}

// Close implements [io.Closer].
func (c *sendingConn) Close() error {
	c.ending.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// ReadFrom implements [io.ReaderFrom].
func (c *sendingConn) ReadFrom(r io.Reader) (int64, error) {
	buffer, kept := c.sender.buffers.Get().(*[sendStep]byte)
	if !kept {
		buffer = new([sendStep]byte)
	}
	defer c.sender.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, buffer[:])
}
