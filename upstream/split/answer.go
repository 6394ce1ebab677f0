package split

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// maxDiscarded is how much is read of an answer that is not passed on.
const maxDiscarded = 64 << 10

// accepted tells whether a registry carried a request out.
func accepted(resp *http.Response) bool {
	return resp.StatusCode >= 200 && resp.StatusCode < 300
}

// discard ends with a response that is not passed on.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxDiscarded)
	_ = resp.Body.Close()
}

// statusOf says what a registry answered.
func statusOf(resp *http.Response) error {
	return &upstream.StatusError{Status: resp.StatusCode, Header: resp.Header}
}

// told says what a registry answered, with the start of the body. Unlike the response it
// outlives the context of the question.
func told(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDiscarded))
	if err != nil {
		body = nil
	}
	_ = resp.Body.Close()
	return &upstream.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// refused is a response that ends a request early: a refusal.
type refused struct{ *http.Response }

// Error implements error.
func (r *refused) Error() string { return "refused: " + r.Status }

// answered returns the response that an error is, if it is one: a refusal, or what the
// primary said to a question of backref's own.
func (q *question) answered(resp *http.Response, err error) (*http.Response, error) {
	if err == nil {
		return resp, nil
	}
	var early *refused
	if errors.As(err, &early) {
		return early.Response, nil
	}
	var status *upstream.StatusError
	if !errors.As(err, &status) || status.Status < http.StatusBadRequest {
		// Where the primary redirects a question to is nothing for the client to follow.
		return nil, err
	}
	header := status.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Del("Transfer-Encoding")
	return q.answer(status.Status, header, status.Body), nil
}

// answer makes a response to the request that q is. The body is left out of one to
// HEAD, and its length told all the same.
func (q *question) answer(status int, header http.Header, body []byte) *http.Response {
	header.Set("Content-Length", strconv.Itoa(len(body)))
	resp := &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(body)), Body: http.NoBody, Request: q.like,
	}
	if q.like.Method != http.MethodHead && len(body) > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}

// refuse returns the error that is a response with an error of the specification.
func (q *question) refuse(status int, code, message string) error {
	return &refused{q.answer(status, http.Header{"Content-Type": {"application/json"}}, oci.ErrorBody(code, message))}
}
