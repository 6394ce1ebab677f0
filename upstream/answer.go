package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/backref/backref/oci"
)

// What a [Sender] around another one answers with, and does with the answers of that.

// Accepted tells whether a registry carried a request out.
func Accepted(resp *http.Response) bool {
	return resp.StatusCode >= 200 && resp.StatusCode < 300
}

// Discard ends with a response that is not passed on, so that its connection can be
// used again.
func Discard(resp *http.Response) { closeBody(resp.Body) }

// Answer makes a response to a request. The body is left out of one to HEAD, and its
// length told all the same. The header is the response's from then on.
func Answer(req *http.Request, status int, header http.Header, body []byte) *http.Response {
	header.Set("Content-Length", strconv.Itoa(len(body)))
	resp := &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(body)), Body: http.NoBody, Request: req,
	}
	if req.Method != http.MethodHead && len(body) > 0 {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}

// Refusal makes a response that is an error of the specification. The body of the
// request is left to its owner.
func Refusal(req *http.Request, status int, code, message string) *http.Response {
	return Answer(req, status, http.Header{"Content-Type": {"application/json"}}, oci.ErrorBody(code, message))
}

// AnswerOf returns the answer that an error of a question is, for the client to see that
// sent the request for which it was asked; else the error. Where a question is redirected
// to is nothing for the client to follow.
func AnswerOf(req *http.Request, err error) (*http.Response, error) {
	var status *StatusError
	if !errors.As(err, &status) || status.Status < http.StatusBadRequest {
		return nil, err
	}
	header := status.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Del("Transfer-Encoding")
	return Answer(req, status.Status, header, status.Body), nil
}

// errTooLong means that a body has more than is read of it.
var errTooLong = errors.New("larger than is read of it")

// ReadAgain reads a body that was sent before, or is about to be, of at most so many
// bytes; get is the GetBody of its request.
func ReadAgain(get func() (io.ReadCloser, error), most int64) ([]byte, error) {
	source, err := get()
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	body, err := io.ReadAll(io.LimitReader(source, most+1))
	if err == nil && int64(len(body)) > most {
		err = errTooLong
	}
	return body, err
}
