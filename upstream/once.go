package upstream

import (
	"errors"
	"io"
	"sync"
)

// errGivenUp ends an attempt to send a body that another took the place of.
var errGivenUp = errors.New("the request is sent anew")

// onceBody is a body that can be sent once. As long as nothing of it was read
// an attempt to send it may be replaced by another.
type onceBody struct {
	source io.Reader

	mutex   sync.Mutex
	read    bool
	current int
}

// again begins another attempt. From now on the one before it gets nothing.
func (b *onceBody) again() (io.ReadCloser, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.read {
		return nil, ErrBodySpent
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
		return 0, errGivenUp
	}
	return a.body.source.Read(p)
}

// Close does nothing: the server closes the body of a request when that is
// over, and the transport closes one that it did not send.
func (a *attempt) Close() error {
	return nil
}
