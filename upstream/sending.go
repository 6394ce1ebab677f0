package upstream

import (
	"context"
	"io"
	"net"
	"sync"
)

// sendStep is how much of a body is sent at once.
const sendStep = 128 << 10

// sender dials connections that send bodies in larger steps than net/http does
// by itself, from memory that is used again.
type sender struct {
	dialer  net.Dialer
	buffers sync.Pool
}

// dial is the DialContext of a [http.Transport].
func (s *sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := s.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &sendingConn{Conn: conn, sender: s}, nil
}

type sendingConn struct {
	net.Conn
	sender *sender
}

// ReadFrom implements [io.ReaderFrom].
func (c *sendingConn) ReadFrom(r io.Reader) (int64, error) {
	buffer, kept := c.sender.buffers.Get().(*[sendStep]byte)
	if !kept {
		buffer = new([sendStep]byte)
	}
	defer c.sender.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, buffer[:])
}
