package split

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// readBlob serves a blob: the primary's own, else that of another registry.
func (q *question) readBlob(req *http.Request) (*http.Response, error) {
	wanted := http.Header{"Accept-Encoding": {"identity"}}
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since"} {
		if values := req.Header[name]; len(values) > 0 {
			wanted[name] = values
		}
	}
	resp, err := q.primary.Send(q.given, req)
	if err != nil || resp.StatusCode != http.StatusNotFound {
		return resp, err
	}
	// Nothing says which manifest the blob is of.
	may, err := q.mayRead("")
	if err == nil && !may {
		return resp, nil
	}
	var found *http.Response
	for _, each := range q.readable() {
		if found == nil && err == nil {
			found, err = each.blob(q.like.Context(), digest.Digest(q.Reference), wanted)
		}
	}
	if err == nil && found == nil {
		return resp, nil
	}
	upstream.Discard(resp)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Docker-Content-Digest": {q.Reference}}
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified", "Cache-Control"} {
		if values := found.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	found.Header, found.Request, found.Trailer = header, q.like, nil
	return found, nil
}
