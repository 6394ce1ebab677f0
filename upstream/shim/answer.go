package shim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// maxRefusal is how much of a registry's error is read.
const maxRefusal = 64 << 10

// accepted tells whether the registry carried a request out.
func accepted(resp *http.Response) bool {
	return resp.StatusCode >= 200 && resp.StatusCode < 300
}

// peek reads the start of a body, which can be read from its start still.
func peek(resp *http.Response, most int64) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(resp.Body, most))
	resp.Body = &rest{io.MultiReader(bytes.NewReader(read), &failing{resp.Body, err}), resp.Body}
	return read, err
}

// failing ends what was read of a body with the error that it ended with.
type failing struct {
	body io.Reader
	err  error
}

func (f *failing) Read(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.body.Read(b)
}

// rest is a body of which a part was read before.
type rest struct {
	io.Reader
	closer io.Closer
}

func (r *rest) Close() error { return r.closer.Close() }

// discard ends with a response that is not passed on.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal)
	_ = resp.Body.Close()
}

// codes returns the codes of an error of a registry (distribution-spec, "Error
// Codes"), which is still to be passed on.
func codes(resp *http.Response) []string {
	body, err := peek(resp, maxRefusal)
	if err != nil {
		return nil
	}
	var said struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil {
		return nil
	}
	var all []string
	for _, e := range said.Errors {
		all = append(all, e.Code)
	}
	return all
}

// answer makes a response to a request. The body is left out of one to HEAD, and its
// length told all the same.
func answer(req *http.Request, status int, header http.Header, body []byte) *http.Response {
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

// refusal makes a response that is an error of the specification.
func refusal(req *http.Request, status int, code, message string) *http.Response {
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(struct {
		Errors []one `json:"errors"`
	}{[]one{{code, message}}})
	if err != nil {
		body = []byte(`{"errors":[]}`)
	}
	return answer(req, status, http.Header{"Content-Type": {"application/json"}}, body)
}
