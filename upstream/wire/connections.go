package wire

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// readSize is how much is read of a connection at once, in bytes: most manifests
// come whole then, with their header.
const readSize = 16 << 10

// maxHTTP2 is how many servers are remembered to offer HTTP/2.
const maxHTTP2 = 1000

// connections are those that are written and read by whoever has a request,
// while package net/http has two goroutines for each to hand things to and fro.
// Their sockets are at hand, so that the system can move a body from one to
// another without a copy in the memory of this process.
type connections struct {
	transport *Transport
	dial      dialFunc
	secure    *tls.Config
	// shake bounds the TLS handshake, rest the time without use.
	shake, rest time.Duration
	most        int
	// opened counts those that are open.
	opened atomic.Int64

	mutex sync.Mutex
	// idle are those without a request, the one that was used last at the end.
	idle   []*connection
	closed bool
	// sweep closes those that nobody needed for long.
	sweep *time.Timer
	// http2 are the servers that were seen to offer that, over TLS.
	http2 map[string]bool
}

func newConnections(t *Transport, o Options) *connections {
	s := &connections{
		transport: t,
		dial:      o.DialContext,
		secure:    o.TLS.Clone(),
		shake:     cmp.Or(o.Connect, unbounded),
		rest:      cmp.Or(o.Idle, unbounded),
		most:      o.MaxIdleConnections,
		http2:     map[string]bool{},
	}
	s.secure.NextProtos = []string{"h2", "http/1.1"}
	s.sweep = time.AfterFunc(time.Hour, s.closeOld)
	s.sweep.Stop()
	return s
}

// connection is one connection.
type connection struct {
	net.Conn
	// scheme and host are those of the URLs that it is for.
	scheme, host string
	// socket is what is below TLS, and the connection itself without; nil where
	// that is no TCP.
	socket *net.TCPConn
	// bounded reads as much as a header may have.
	bounded io.LimitedReader
	reader  *bufio.Reader
	writer  *bufio.Writer
	since   time.Time
	// opened counts the connection until it is closed.
	opened *atomic.Int64
	closed atomic.Bool
}

// Close implements [net.Conn].
func (c *connection) Close() error {
	if !c.closed.Swap(true) {
		c.opened.Add(-1)
	}
	return c.Conn.Close()
}

// plain tells whether it is TCP without TLS.
func (c *connection) plain() bool {
	return c.Conn == net.Conn(c.socket)
}

// get returns an idle connection, or a new one.
func (s *connections) get(ctx context.Context, to *url.URL) (c *connection, reused bool, err error) {
	if c := s.takeIdle(to); c != nil {
		return c, true, nil
	}
	c, err = s.open(ctx, to)
	return c, false, err
}

// open opens a connection. Error: [errHTTP2], after which no other is tried.
func (s *connections) open(ctx context.Context, to *url.URL) (*connection, error) {
	conn, err := s.dial(ctx, "tcp", net.JoinHostPort(to.Hostname(), Port(to)))
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn, scheme: to.Scheme, host: to.Host}
	c.socket, _ = conn.(*net.TCPConn)
	if to.Scheme == "https" {
		c.Conn, err = s.handshake(ctx, conn, to)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.opened = &s.opened
	c.opened.Add(1)
	c.bounded.R = c.Conn
	c.reader = bufio.NewReaderSize(&c.bounded, readSize)
	c.writer = bufio.NewWriter(c.Conn)
	return c, nil
}

// Port returns the port of a URL of HTTP: the one that is given, else that of its
// scheme.
func Port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// handshake begins to speak TLS.
func (s *connections) handshake(ctx context.Context, conn net.Conn, to *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.shake)
	defer cancel()
	speak := s.secure.Clone()
	speak.ServerName = cmp.Or(speak.ServerName, to.Hostname())
	secured := tls.Client(conn, speak)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		s.noteHTTP2(to.Host)
		return nil, errHTTP2
	}
	return secured, nil
}

// noteHTTP2 remembers that a server offers HTTP/2.
func (s *connections) noteHTTP2(host string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if len(s.http2) >= maxHTTP2 {
		clear(s.http2)
	}
	s.http2[host] = true
}

// offersHTTP2 tells whether a server was seen to.
func (s *connections) offersHTTP2(host string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.http2[host]
}

// takeIdle returns the connection to a server that was used last; nil where
// there is none.
func (s *connections) takeIdle(to *url.URL) *connection {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		c := s.idle[i]
		if c.host != to.Host || c.scheme != to.Scheme {
			continue
		}
		s.idle = slices.Delete(s.idle, i, i+1)
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
	if s.closed || c.socket == nil {
		_ = c.Close()
		return
	}
	if len(s.idle) >= s.most {
		_ = s.idle[0].Close()
		s.idle = slices.Delete(s.idle, 0, 1)
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
	s.idle = slices.Delete(s.idle, 0, old)
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
