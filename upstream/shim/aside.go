package shim

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
)

// aside returns a further request in the name of who sent one: with the credentials
// of that, and whatever else the registry may judge by, but nothing that is about its
// body, its answer, or a state of what it was about. Its context is the same.
func aside(req *http.Request, method string, to *url.URL) *http.Request {
	header := req.Header.Clone()
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Digest",
		"Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
		"Te", "Trailer", "Transfer-Encoding",
	} {
		delete(header, name)
	}
	target := *to
	query := target.Query()
	if namespace := req.URL.Query().Get(paramNamespace); namespace != "" && !query.Has(paramNamespace) {
		query.Set(paramNamespace, namespace)
		target.RawQuery = query.Encode()
	}
	return (&http.Request{
		Method: method, URL: &target, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(req.Context())
}

// paramNamespace is the parameter by which a client of a mirror names the registry
// that it means.
const paramNamespace = "ns"

// again returns a request as it was before it was sent, to be sent once more or to
// somewhere else: what sends one may change it. Its body has to be one that can be had
// again.
func again(req *http.Request) (*http.Request, error) {
	copied := req.Clone(req.Context())
	if req.GetBody == nil {
		return copied, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	copied.Body = body
	return copied, nil
}

// withBody gives a request a body that can be sent again.
func withBody(req *http.Request, mediaType string, body []byte) *http.Request {
	req.Header.Set("Content-Type", mediaType)
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	return req
}
