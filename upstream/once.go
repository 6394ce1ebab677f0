package upstream

import (
	"io"
	"net/http"
	"sync"
)

// onceBody is a body that can be sent once. As long as nothing of it was read
// an attempt to send it may be replaced by another.
type onceBody struct {
	source io.Reader

	mutex   sync.Mutex
	read    bool
	current int
}

// spent is the number of an attempt that comes too late.
const spent = -1

// again begins another attempt. From now on the one before it gets nothing,
// unless it has begun to read: then the new one comes too late.
//
// That is no error yet: the HTTP client asks for the body again even where it
// follows no redirect.
func (b *onceBody) again() (io.ReadCloser, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.read {
		return &attempt{b, spent}, nil
	}
	b.current++
	return &attempt{b, b.current}, nil
}

// take tells whether an attempt may read.
func (b *onceBody) take(number int) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if number != b.current {
		return false
	}
	b.read = true
	return true
}

// attempt is one reader of a body.
type attempt struct {
	body   *onceBody
	number int
}

// Read implements [io.Reader].
func (a *attempt) Read(p []byte) (int, error) {
	if !a.body.take(a.number) {
		return 0, ErrBodySpent
	}
	return a.body.source.Read(p)
}

// Close does nothing: the server closes the body of a request when that is
// over, and the transport closes one that it did not send.
func (a *attempt) Close() error {
	return nil
}

// onceTransport sends no request whose body is spent.
type onceTransport struct {
	http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t onceTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if body, once := req.Body.(*attempt); once && body.number == spent {
		return nil, ErrBodySpent
	}
	return t.RoundTripper.RoundTrip(req)
}
