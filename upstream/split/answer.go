package split

import (
	"errors"
	"io"
	"net/http"

	"github.com/backref/backref/upstream"
)

// maxTold is how much is read of what a registry says of an error.
const maxTold = 64 << 10

// statusOf says what a registry answered.
func statusOf(resp *http.Response) error {
	return &upstream.StatusError{Status: resp.StatusCode, Header: resp.Header}
}

// told says what a registry answered, with the start of the body. Unlike the response it
// outlives the context of the question.
func told(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTold))
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
	return upstream.AnswerOf(q.like, err)
}

// answer makes a response to the request that q is.
func (q *question) answer(status int, header http.Header, body []byte) *http.Response {
	return upstream.Answer(q.like, status, header, body)
}

// refuse returns the error that is a response with an error of the specification.
func (q *question) refuse(status int, code, message string) error {
	return &refused{upstream.Refusal(q.like, status, code, message)}
}
