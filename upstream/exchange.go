package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// maxHeader is the largest header of a response.
	maxHeader = 1 << 20
	// maxInterim is how many responses of status 1xx precede the one that counts.
	maxInterim = 5
)

var (
	// errTimeout is what a connection says whose time is over.
	errTimeout = os.ErrDeadlineExceeded
	// errAnswered means that a response had begun when the connection failed.
	errAnswered = errors.New("the answer broke off")
	// errSilent means that no response came in time.
	errSilent = fmt.Errorf("no response within upstream.timeouts.responseHeader: %w", os.ErrDeadlineExceeded)
)

// takes tells whether a request can be sent here: one that does no harm when
// it is sent twice and that has no body, over HTTP/1.1.
func (s *connections) takes(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) &&
		(req.Body == nil || req.Body == http.NoBody) && !s.http2.Load()
}

// roundTrip sends a request, again where the registry had given up the
// connection meanwhile. Error: [errHTTP2] where net/http has to send it.
func (s *connections) roundTrip(req *http.Request) (*http.Response, error) {
	for {
		c, reused, err := s.get(req.Context())
		if err != nil {
			return nil, err
		}
		resp, err := s.exchange(c, req)
		if err == nil {
			return resp, nil
		}
		_ = c.Close()
		switch ctxErr := req.Context().Err(); {
		case ctxErr != nil:
			return nil, ctxErr
		case errors.Is(err, errTimeout):
			return nil, errors.Join(errSilent, err)
		case !reused || errors.Is(err, errAnswered):
			return nil, err
		}
	}
}

// exchange sends a request and reads the header of the response. Until its
// body is closed, the end of the request's context ends all reading.
func (s *connections) exchange(c *connection, req *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := s.readResponse(c, req)
	if err != nil {
		stop()
		return nil, err
	}
	body := received{connections: s, connection: c, stop: stop, over: req.Context().Err, reusable: !resp.Close}
	switch known := resp.ContentLength >= 0; {
	case resp.Body == http.NoBody:
		body.end()
	case known && resp.ContentLength <= int64(c.reader.Buffered()):
		resp.Body = body.take(int(resp.ContentLength))
	case known && c.plain():
		resp.Body = &movedBody{measuredBody{received: body, left: resp.ContentLength}}
	case known:
		resp.Body = &measuredBody{received: body, left: resp.ContentLength}
	default:
		resp.Body = &framedBody{received: body, inner: resp.Body}
	}
	return resp, nil
}

// readResponse writes a request and reads until the header that counts.
func (s *connections) readResponse(c *connection, req *http.Request) (*http.Response, error) {
	deadline := time.Now().Add(s.header)
	err := c.SetDeadline(deadline)
	if err := errors.Join(err, req.Context().Err()); err != nil {
		return nil, err
	}
	if err := errors.Join(req.Write(c.writer), c.writer.Flush()); err != nil {
		return nil, err
	}
	c.bounded.N = maxHeader
	if _, err := c.reader.Peek(1); err != nil {
		return nil, err
	}
	for range maxInterim {
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
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("%w: it switches protocols unasked", errAnswered)
		}
		tellInterim(req.Context(), resp.StatusCode, resp.Header)
	}
	return nil, fmt.Errorf("%w: more than %d interim ones", errAnswered, maxInterim)
}

// received is what the bodies of responses have in common: the connection that
// they come by.
type received struct {
	connections *connections
	connection  *connection
	stop        func() bool
	// over tells whether the request has ended.
	over func() error
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
	if ended := b.over(); ended != nil {
		return ended
	}
	return err
}

// failed names the reason for an error that reading ended with.
func (b *received) failed(err error) error {
	if ended := b.over(); ended != nil {
		return ended
	}
	if errors.Is(err, errTimeout) && !time.Now().Before(b.until) {
		return errStalled
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
	if !b.stop() || !b.ended || !b.reusable || b.connection.reader.Buffered() > 0 {
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
	if err := b.expect(b.connections.stall); err != nil {
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
