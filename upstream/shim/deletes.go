package shim

import (
	"net/http"

	"github.com/backref/backref/upstream"
)

// deletes is the shim for registries that fail where a blob is to be deleted that they
// don't have: go-containerregistry's, which crane serves, answers 500 and not 404
// (distribution-spec, "Deleting blobs"). Whether the blob is there the registry is
// asked, with the credentials of who deletes it.
type deletes struct {
	next upstream.Sender
}

// Send implements [upstream.Sender].
func (d deletes) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t := upstream.TargetOf(req)
	if req.Method != http.MethodDelete || t.Endpoint != upstream.EndpointBlobs {
		return d.next.Send(as, req)
	}
	ask := upstream.Aside(req, http.MethodHead, req.URL)
	resp, err := d.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusInternalServerError {
		return resp, err
	}
	has, err := d.next.Send(as, ask)
	if err != nil {
		return resp, nil //nolint:nilerr // The registry's failure is one already.
	}
	upstream.Discard(has)
	if has.StatusCode != http.StatusNotFound {
		return resp, nil
	}
	upstream.Discard(resp)
	return upstream.Refusal(req, http.StatusNotFound, "BLOB_UNKNOWN", "the registry has no blob "+t.Reference), nil
}
