package upstream

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/backref/backref/config"
)

const (
	// maxHeader is the largest header of a response, as that of net/http.
	maxHeader = 1 << 20
	// maxInterim is how many responses of status 1xx precede the one that counts.
	maxInterim = 5
	// moveStep is how much the system is asked to move at once.
	moveStep = 256 << 10
	// moveTime is how long a client may take over that.
	moveTime = 2 * time.Minute
)

// streams are connections to the registry whose sockets are at hand, so that
// the system can move a body from one socket to another without a copy in the
// memory of this process. Package net/http keeps its sockets to itself.
type streams struct {
	address string
	dialer  net.Dialer
	// header bounds the time to a response's header, rest that without use.
	header, rest time.Duration
	// stall bounds a pause within a body.
	stall time.Duration
	most  int

	mutex  sync.Mutex
	idle   []*stream
	closed bool
}

func newStreams(base *url.URL, cfg config.Upstream) *streams {
	if base.Scheme != "http" {
		return nil
	}
	return &streams{
		address: net.JoinHostPort(base.Hostname(), port(base)),
		dialer:  net.Dialer{Timeout: cfg.Timeouts.Connect},
		header:  cfg.Timeouts.ResponseHeader,
		rest:    cfg.Timeouts.Idle,
		stall:   cmp.Or(cfg.Timeouts.Stall, noStall),
		most:    cfg.MaxIdleConnections,
	}
}

// stream is one connection.
type stream struct {
	conn *net.TCPConn
	// bounded reads from conn as much as a header may have.
	bounded io.LimitedReader
	buffer  *bufio.Reader
	since   time.Time
}

// Stream is [Registry.RoundTrip] for a request without a body whose response
// may be large: the response's body implements [io.WriterTo], and moves itself
// to a TCP connection in the kernel where the system can do that.
func (r *Registry) Stream(req *http.Request) (*http.Response, error) {
	if r.streams == nil || req.Body != nil {
		return r.RoundTrip(req)
	}
	r.aim(req)
	resp, err := r.streams.roundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return resp, nil
}

// roundTrip sends a request, again where the registry had given up the
// connection meanwhile.
func (s *streams) roundTrip(req *http.Request) (*http.Response, error) {
	for {
		c, reused, err := s.get(req.Context())
		if err != nil {
			return nil, err
		}
		resp, err := s.exchange(c, req)
		if err == nil {
			return resp, nil
		}
		_ = c.conn.Close()
		if ctxErr := req.Context().Err(); ctxErr != nil {
			return nil, ctxErr
		}
		if !reused || errors.Is(err, errAnswered) {
			return nil, err
		}
	}
}

// get returns an idle connection, or a new one.
func (s *streams) get(ctx context.Context) (c *stream, reused bool, err error) {
	if c := s.takeIdle(); c != nil {
		return c, true, nil
	}
	conn, err := s.dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, false, err
	}
	c = &stream{conn: conn.(*net.TCPConn)} //nolint:forcetypeassert // That is what "tcp" gives.
	c.bounded.R = conn
	c.buffer = bufio.NewReader(&c.bounded)
	return c, false, nil
}

// takeIdle returns the connection that was used last; nil where there is none.
func (s *streams) takeIdle() *stream {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.idle) > 0 {
		c := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if time.Since(c.since) < s.rest && silent(c.conn) {
			return c
		}
		_ = c.conn.Close()
	}
	return nil
}

// put keeps a connection for the next request, and closes those that nobody
// needed for long.
func (s *streams) put(c *stream) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.idle) > 0 && (time.Since(s.idle[0].since) >= s.rest || len(s.idle) >= s.most) {
		_ = s.idle[0].conn.Close()
		s.idle = s.idle[1:]
	}
	if s.closed || s.most < 1 {
		_ = c.conn.Close()
		return
	}
	c.since = time.Now()
	s.idle = append(s.idle, c)
}

func (s *streams) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	for _, c := range s.idle {
		_ = c.conn.Close()
	}
	s.idle = nil
}

// errAnswered means that a response had begun when the connection failed.
var errAnswered = errors.New("the answer broke off")

// exchange sends a request and reads the header of the response. Until its
// body is closed, the end of the request's context ends all reading.
func (s *streams) exchange(c *stream, req *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	resp, err := s.readResponse(c, req)
	if err != nil {
		stop()
		return nil, err
	}
	body := &streamBody{streams: s, stream: c, stop: stop, over: req.Context().Err, inner: resp.Body, reusable: !resp.Close}
	if body.left = resp.ContentLength; body.left >= 0 && bodyAllowed(req, resp) {
		body.direct = true
	}
	resp.Body = body
	return resp, nil
}

func (s *streams) readResponse(c *stream, req *http.Request) (*http.Response, error) {
	err := c.conn.SetDeadline(time.Now().Add(s.header))
	if err := errors.Join(err, req.Context().Err()); err != nil {
		return nil, err
	}
	if err := req.Write(c.conn); err != nil {
		return nil, err
	}
	c.bounded.N = maxHeader
	if _, err := c.buffer.Peek(1); err != nil {
		return nil, err
	}
	for range maxInterim {
		resp, err := http.ReadResponse(c.buffer, req)
		if err != nil {
			return nil, errors.Join(errAnswered, err)
		}
		if resp.StatusCode >= http.StatusOK {
			c.bounded.N = 1 << 62
			return resp, c.clearDeadline(req.Context())
		}
	}
	return nil, errAnswered
}

// clearDeadline lets a body take its time, unless the request is over.
func (c *stream) clearDeadline(ctx context.Context) error {
	err := c.conn.SetDeadline(time.Time{})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func bodyAllowed(req *http.Request, resp *http.Response) bool {
	return req.Method != http.MethodHead && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusNotModified
}

// streamBody is the body of a response. One whose length is known is read from
// the connection itself.
type streamBody struct {
	streams *streams
	stream  *stream
	stop    func() bool
	// over tells whether the request has ended.
	over     func() error
	inner    io.ReadCloser
	direct   bool
	left     int64
	ended    bool
	reusable bool
	closed   bool
}

// Read implements [io.Reader].
func (b *streamBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := b.expect(b.streams.stall); err != nil {
		return 0, err
	}
	if !b.direct {
		n, err := b.inner.Read(p)
		b.ended = errors.Is(err, io.EOF)
		return n, err
	}
	if b.left == 0 {
		b.ended = true
		return 0, io.EOF
	}
	n, err := b.stream.buffer.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, b.early(err)
}

// expect bounds the time for what is read next, unless the request is over.
func (b *streamBody) expect(within time.Duration) error {
	err := b.stream.conn.SetReadDeadline(time.Now().Add(within))
	if ended := b.over(); ended != nil {
		return ended
	}
	return err
}

// early turns an end before the whole body is there into an error.
func (b *streamBody) early(err error) error {
	if errors.Is(err, io.EOF) && b.left > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteTo implements [io.WriterTo]. What follows the header in the memory
// already is written from there, the rest is for w to read from the socket.
func (b *streamBody) WriteTo(w io.Writer) (written int64, err error) {
	to, able := w.(io.ReaderFrom)
	if !b.direct || !able {
		return io.Copy(w, struct{ io.Reader }{b})
	}
	if buffered := min(int64(b.stream.buffer.Buffered()), b.left); buffered > 0 {
		n, err := io.CopyN(w, struct{ io.Reader }{b}, buffered)
		if written += n; err != nil {
			return written, err
		}
	}
	for b.left > 0 {
		// Registry and client are waited for together.
		if err := b.expect(b.streams.stall + moveTime); err != nil {
			return written, err
		}
		part := &io.LimitedReader{R: b.stream.conn, N: min(b.left, moveStep)}
		n, err := to.ReadFrom(part)
		written += n
		b.left -= n
		switch {
		case err != nil:
			return written, err
		case n == 0:
			return written, io.ErrUnexpectedEOF
		}
	}
	b.ended = true
	return written, nil
}

// Close implements [io.Closer]. A connection whose body was read to its end is
// kept.
func (b *streamBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	// A body of no bytes need not be read to be over.
	b.ended = b.ended || b.direct && b.left == 0
	// More than the body is no answer to anything that was asked.
	if !b.stop() || !b.ended || !b.reusable || b.stream.buffer.Buffered() > 0 {
		return b.stream.conn.Close()
	}
	b.streams.put(b.stream)
	return nil
}
