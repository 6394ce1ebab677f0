package upstream

import (
	"net/http"
	"net/url"
)

// Aside returns a further request in the name of who sent one: with the credentials
// of that, and whatever else the registry may judge by, but nothing that is about its
// body, its answer, or a state of what it was about. Its context is the same.
func Aside(req *http.Request, method string, to *url.URL) *http.Request {
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
	if namespace := req.URL.Query().Get(ParamNamespace); namespace != "" && !query.Has(ParamNamespace) {
		query.Set(ParamNamespace, namespace)
		target.RawQuery = query.Encode()
	}
	return (&http.Request{
		Method: method, URL: &target, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(req.Context())
}
