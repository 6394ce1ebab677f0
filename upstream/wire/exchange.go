package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// maxHeader is the largest header of a response, also of an interim one.
	maxHeader = 1 << 20
	// leastMoved is the length of a body, in bytes, from which on it takes the system
	// less to move it than to have it copied.
	leastMoved = 64 << 10
	// maxInterim is how many responses of status 1xx precede the one that counts.
	maxInterim = 5
)

// takes tells whether a request can be sent here: one that does no harm when
// it is sent twice and that has no body, over HTTP/1.1.
func (s *connections) takes(req *http.Request) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || req.Body != nil && req.Body != http.NoBody || req.Close {
		return false
	}
	switch {
	case req.URL == nil || req.URL.Host == "" || req.Header == nil || !ascii(req.URL.Host):
		// An error, or a name that has to be written in another way first.
		return false
	case req.URL.Scheme == "https":
		return !s.offersHTTP2(req.URL.Host)
	default:
		return req.URL.Scheme == "http"
	}
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// roundTrip sends a request, again where the server had given up the
// connection meanwhile. Error: [errHTTP2] where net/http has to send it.
func (s *connections) roundTrip(req *http.Request) (*http.Response, error) {
	for {
		c, reused, err := s.get(req.Context(), req.URL)
		if err != nil {
			return nil, err
		}
		resp, err := s.exchange(c, req)
		if err == nil {
			return resp, nil
		}
		_ = c.Close()
		switch ended := context.Cause(req.Context()); {
		case ended != nil:
			return nil, ended
		case errors.Is(err, errTimeout):
			return nil, errors.Join(s.transport.silent, err)
		case !reused || errors.Is(err, errAnswered):
			return nil, err
		}
	}
}

// exchange sends a request and reads the header of the response. Until its
// body is closed, the end of the request's context ends all reading that has to
// be waited for.
func (s *connections) exchange(c *connection, req *http.Request) (*http.Response, error) {
	e := ending{ctx: req.Context(), connection: c}
	resp, err := s.readResponse(&e, req)
	if err != nil {
		e.over()
		return nil, err
	}
	body := received{connections: s, ending: e, reusable: !resp.Close}
	known := resp.ContentLength >= 0
	switch {
	case resp.Body == http.NoBody:
		body.end()
		return resp, nil
	case known && resp.ContentLength <= int64(c.reader.Buffered()):
		resp.Body = body.take(int(resp.ContentLength))
		return resp, nil
	}
	body.listen()
	switch {
	case known && c.plain() && resp.ContentLength >= leastMoved:
		resp.Body = &movedBody{measuredBody{received: body, left: resp.ContentLength}}
	case known:
		resp.Body = &measuredBody{received: body, left: resp.ContentLength}
	default:
		resp.Body = &framedBody{received: body, inner: resp.Body}
	}
	return resp, nil
}

// readResponse writes a request and reads until the header that counts. A request
// is so small that the system takes it at once.
func (s *connections) readResponse(e *ending, req *http.Request) (*http.Response, error) {
	c, deadline := e.connection, time.Now().Add(s.transport.header)
	err := c.SetDeadline(deadline)
	if err := errors.Join(err, context.Cause(e.ctx)); err != nil {
		return nil, err
	}
	if err := errors.Join(req.Write(c.writer), c.writer.Flush()); err != nil {
		return nil, err
	}
	c.bounded.N = maxHeader
	if err := e.awaitHeader(deadline); err != nil {
		return nil, err
	}
	for told := 0; ; told++ {
		resp, err := http.ReadResponse(c.reader, req)
		switch {
		case err != nil && !time.Now().Before(deadline):
			// The parser says only that a part is missing.
			return nil, errors.Join(errTimeout, err)
		case err != nil:
			return nil, errors.Join(errAnswered, err)
		case resp.StatusCode >= http.StatusOK:
			c.bounded.N = 1 << 62
			return resp, nil
		}
		if err := checkStatus(resp.StatusCode); err != nil {
			return nil, err
		}
		if told == maxInterim {
			return nil, errTooManyInterim
		}
		tellInterim(e.ctx, resp.StatusCode, resp.Header)
		c.bounded.N = maxHeader
		if err := e.awaitMore(deadline); err != nil {
			return nil, errors.Join(errAnswered, err)
		}
	}
}

// checkStatus refuses what can't be passed on: a switch of protocols, and what is
// no status, which package net/http takes for a final one.
func checkStatus(status int) error {
	switch {
	case status < 100 || status > 999:
		return errStatus
	case status == http.StatusSwitchingProtocols:
		return errSwitches
	default:
		return nil
	}
}

// received is what the bodies of responses have in common: the connection that
// they come by.
type received struct {
	connections *connections
	// ending has the request's context, which the body lives as long as.
	ending
	// until is when what is read now has to be there.
	until time.Time
	// ended says that the whole body was read.
	ended    bool
	reusable bool
	closed   bool
}

// end lets go of the connection after the whole body.
func (b *received) end() {
	b.ended = true
	_ = b.Close()
}

// take reads a body that is in the memory already, and lets go of the
// connection.
func (b *received) take(size int) io.ReadCloser {
	whole := make([]byte, size)
	// As much is buffered.
	_, _ = io.ReadFull(b.connection.reader, whole)
	b.end()
	return io.NopCloser(bytes.NewReader(whole))
}

// expect bounds the time for what is read next, unless the request is over.
func (b *received) expect(within time.Duration) error {
	if b.closed {
		return http.ErrBodyReadAfterClose
	}
	b.until = time.Now().Add(within)
	err := b.connection.SetReadDeadline(b.until)
	if ended := context.Cause(b.ctx); ended != nil {
		return ended
	}
	return err
}

// failed names the reason for an error that reading ended with.
func (b *received) failed(err error) error {
	if ended := context.Cause(b.ctx); ended != nil {
		return ended
	}
	if errors.Is(err, errTimeout) && !time.Now().Before(b.until) {
		return b.connections.transport.stalled
	}
	return err
}

// Close implements [io.Closer]. A connection whose body was read to its end is
// kept.
func (b *received) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	// More than the body is no answer to anything that was asked.
	if !b.over() || !b.ended || !b.reusable || b.connection.reader.Buffered() > 0 {
		return b.connection.Close()
	}
	b.connections.put(b.connection)
	return nil
}

// framedBody is a body whose length is not known before its end.
type framedBody struct {
	received
	inner io.Reader
}

// Read implements [io.Reader].
func (b *framedBody) Read(p []byte) (int, error) {
	if err := b.expect(b.connections.transport.stall); err != nil {
		return 0, err
	}
	n, err := b.inner.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
		return n, err
	case err != nil:
		err = b.failed(err)
	}
	return n, err
}
