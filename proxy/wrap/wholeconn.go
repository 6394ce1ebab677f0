package wrap

import (
	"context"
	"net"
	"net/http"
)

// Listener returns a listener whose connections send a ready answer in one
// piece, where the server's ConnContext is that of this package. The server of
// net/http sends the header and the first part of a body alone, which costs a
// call of the system on both sides.
func Listener(l net.Listener) net.Listener {
	return wholeListener{l}
}

type wholeListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l wholeListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if tcp, is := accepted.(*net.TCPConn); is {
		return &wholeConn{TCPConn: tcp}, err
	}
	return accepted, err
}

type connKey struct{}

// ConnContext has handlers find the connection of a [Listener]; it is a
// [http.Server.ConnContext]. Under TLS there is none to be found.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if whole, is := conn.(*wholeConn); is {
		return context.WithValue(ctx, connKey{}, whole)
	}
	return ctx
}

// Within returns a handler of requests that are made within the process while one is
// served: their answers are not written to the connection of that one.
func Within(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, nil)))
	})
}

// wholeConn is a connection that can hold one write back until the next, and
// then sends both at once. It is used by one goroutine at a time for writing,
// as the server does.
type wholeConn struct {
	*net.TCPConn
	// holding says that the next write is to be held.
	holding bool
	held    []byte
}

// Write implements [io.Writer]. What is held is reported as written.
func (c *wholeConn) Write(p []byte) (int, error) {
	switch {
	case c.holding:
		c.holding = false
		c.held = append(c.held[:0], p...)
		return len(p), nil
	case len(c.held) == 0:
		return c.TCPConn.Write(p)
	}
	before := len(c.held)
	parts := net.Buffers{c.held, p}
	c.held = c.held[:0]
	n, err := parts.WriteTo(c.TCPConn)
	return max(0, int(n)-before), err
}

// release ends holding and sends what is held. Where that can't be sent whole
// nothing may follow: the server believes it was.
func (c *wholeConn) release() {
	c.holding = false
	if len(c.held) == 0 {
		return
	}
	if _, err := c.Write(nil); err != nil {
		_ = c.Close()
	}
}

// WriteWhole writes the body of a response whose length was given, together
// with its header where that can be had.
func WriteWhole(w http.ResponseWriter, r *http.Request, body []byte) {
	if conn, is := r.Context().Value(connKey{}).(*wholeConn); is {
		conn.holding = true
		defer conn.release()
	}
	_, _ = w.Write(body)
}
