package upstream

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backref/backref/config"
)

// errHTTP2 means that the registry offers HTTP/2, which is left to net/http.
var errHTTP2 = errors.New("the registry speaks HTTP/2")

// connections are those to the registry that are written and read by whoever
// has a request, while package net/http has two goroutines for each to hand
// things to and fro. Their sockets are at hand, so that the system can move a
// body from one to another without a copy in the memory of this process.
type connections struct {
	address string
	dialer  net.Dialer
	// secure is how TLS is spoken; nil for plain HTTP.
	secure *tls.Config
	// http2 is set when the registry was seen to offer that.
	http2 atomic.Bool
	// header bounds the time to a response's header, rest that without use.
	header, rest time.Duration
	// stall bounds a pause within a body.
	stall time.Duration
	most  int

	mutex  sync.Mutex
	idle   []*connection
	closed bool
	// sweep closes those that nobody needed for long.
	sweep *time.Timer
}

func newConnections(base *url.URL, speak *tls.Config, cfg config.Upstream) *connections {
	s := &connections{
		address: net.JoinHostPort(base.Hostname(), port(base)),
		dialer:  net.Dialer{Timeout: cfg.Timeouts.Connect},
		header:  cmp.Or(cfg.Timeouts.ResponseHeader, unbounded),
		rest:    cmp.Or(cfg.Timeouts.Idle, unbounded),
		stall:   cmp.Or(cfg.Timeouts.Stall, unbounded),
		most:    cfg.MaxIdleConnections,
	}
	if base.Scheme == "https" {
		s.secure = speak.Clone()
		s.secure.ServerName = base.Hostname()
		s.secure.NextProtos = []string{"h2", "http/1.1"}
	}
	s.sweep = time.AfterFunc(time.Hour, s.closeOld)
	s.sweep.Stop()
	return s
}

// connection is one connection.
type connection struct {
	net.Conn
	// socket is what is below TLS, and the connection itself without.
	socket *net.TCPConn
	// bounded reads as much as a header may have.
	bounded io.LimitedReader
	reader  *bufio.Reader
	writer  *bufio.Writer
	since   time.Time
}

// plain tells whether there is no TLS.
func (c *connection) plain() bool {
	return c.Conn == net.Conn(c.socket)
}

// get returns an idle connection, or a new one.
func (s *connections) get(ctx context.Context) (c *connection, reused bool, err error) {
	if c := s.takeIdle(); c != nil {
		return c, true, nil
	}
	c, err = s.dial(ctx)
	return c, false, err
}

// dial opens a connection. Error: [errHTTP2], after which no other is tried.
func (s *connections) dial(ctx context.Context) (*connection, error) {
	conn, err := s.dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn, socket: conn.(*net.TCPConn)} //nolint:forcetypeassert // That is what "tcp" gives.
	if s.secure != nil {
		c.Conn, err = s.handshake(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.bounded.R = c.Conn
	c.reader = bufio.NewReader(&c.bounded)
	c.writer = bufio.NewWriter(c.Conn)
	return c, nil
}

// handshake begins to speak TLS.
func (s *connections) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.dialer.Timeout, unbounded))
	defer cancel()
	secured := tls.Client(conn, s.secure)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		s.http2.Store(true)
		return nil, errHTTP2
	}
	return secured, nil
}

// takeIdle returns the connection that was used last; nil where there is none.
func (s *connections) takeIdle() *connection {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.idle) > 0 {
		c := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if time.Since(c.since) < s.rest && c.quiet() {
			return c
		}
		_ = c.Close()
	}
	return nil
}

// quiet tells whether nothing came on an idle connection: neither its end nor
// something that nobody asked for, such as the 408 of a load balancer, which
// would be taken for the next answer.
func (c *connection) quiet() bool {
	if c.reader.Buffered() > 0 || !silent(c.socket) {
		return false
	}
	if c.plain() {
		return true
	}
	// TLS may hold what it has read of the socket. With its time over, nothing
	// more is read.
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return false
	}
	c.bounded.N = 1
	_, err := c.reader.Peek(1)
	return errors.Is(err, errTimeout)
}

// put keeps a connection for the next request.
func (s *connections) put(c *connection) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed || s.most < 1 {
		_ = c.Close()
		return
	}
	if len(s.idle) >= s.most {
		_ = s.idle[0].Close()
		s.idle = append(s.idle[:0], s.idle[1:]...)
	}
	if len(s.idle) == 0 {
		s.sweep.Reset(s.rest)
	}
	c.since = time.Now()
	s.idle = append(s.idle, c)
}

// closeOld closes the connections that nobody needed for long.
func (s *connections) closeOld() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	old := 0
	for old < len(s.idle) && time.Since(s.idle[old].since) >= s.rest {
		_ = s.idle[old].Close()
		old++
	}
	s.idle = append(s.idle[:0], s.idle[old:]...)
	if len(s.idle) > 0 {
		s.sweep.Reset(s.rest - time.Since(s.idle[0].since))
	}
}

func (s *connections) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	s.sweep.Stop()
	for _, c := range s.idle {
		_ = c.Close()
	}
	s.idle = nil
}
