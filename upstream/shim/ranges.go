package shim

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"github.com/backref/backref/upstream"
)

// ranges is the shim for registries that answer a range which can't be satisfied by
// 416 and the length of the whole blob, so that the connection ends before the answer
// does: CNCF Distribution 2.8 and older. The answer gets the length that it has.
type ranges struct {
	next upstream.Sender
}

// Send implements [upstream.Sender].
func (r ranges) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	ranged := req.Method == http.MethodGet && req.Header.Get("Range") != "" && targetOf(req).endpoint == endpointBlobs
	resp, err := r.next.Send(as, req)
	if err != nil || !ranged || resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		return resp, err
	}
	said, err := peek(resp, maxRefusal)
	if err == nil {
		return resp, nil
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(said))
	resp.ContentLength = int64(len(said))
	resp.Header.Set("Content-Length", strconv.Itoa(len(said)))
	return resp, nil
}
