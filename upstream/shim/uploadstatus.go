package shim

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// begin begins an upload. Nothing is there of it, whatever Range its answer has.
func (c chunks) begin(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	here := *req.URL
	resp, err := c.next.Send(as, req)
	if err == nil && resp.StatusCode == http.StatusAccepted && resp.Header.Get("Location") != "" {
		c.remember(&here, resp, 0, true)
	}
	return resp, err
}

// status asks how far an upload is. A registry that can't say so has it said by what is
// remembered of the upload (distribution-spec, "Pushing a blob in chunks"), which is
// what passed through this process alone: where replicas share the requests of one
// upload, it may be less than the registry has, and the registry refuses the chunk that
// is sent then.
func (c chunks) status(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	at, known := c.places.GetIfPresent(req.URL.Path)
	resp, err := c.next.Send(as, req)
	if err != nil || !known || !hasNoStatus(resp) {
		return resp, err
	}
	upstream.Discard(resp)
	told := upstream.Answer(req, http.StatusNoContent, at.header(), nil)
	// 204 has none (RFC 9110, section 8.6).
	told.Header.Del("Content-Length")
	return told, nil
}

// header says where an upload is, and goes on. One of one byte, and one of none, are
// both 0-0, as other registries have it.
func (p place) header() http.Header {
	return http.Header{
		"Location": {p.location},
		"Range":    {"0-" + strconv.FormatInt(max(0, p.end-1), 10)},
	}
}

// hasNoStatus tells whether a registry answers nothing where the status of an upload
// is asked for. That it has no such upload, or none in such a state, is an answer.
func hasNoStatus(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		return !slices.ContainsFunc(codes(resp), func(code string) bool {
			return code == oci.CodeBlobUploadUnknown || code == "BLOB_UPLOAD_INVALID"
		})
	default:
		return false
	}
}

// cancel ends an upload that is wanted no more.
func (c chunks) cancel(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	path := req.URL.Path
	resp, err := c.next.Send(as, req)
	if err != nil || upstream.Accepted(resp) || resp.StatusCode == http.StatusNotFound {
		c.places.Invalidate(path)
	}
	return resp, err
}
