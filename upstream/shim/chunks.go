package shim

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/maypok86/otter/v2"

	"github.com/backref/backref/upstream"
)

// maxUploads is of how many uploads it is remembered how far they are.
const maxUploads = 10_000

// chunks is the shim for registries that append a chunk of an upload wherever it says
// that it begins, and so make of a chunk that is sent twice a blob of another digest:
// CNCF Distribution 2.8 and older. A chunk that does not begin where the upload is gets
// 416 (distribution-spec, "Pushing a blob in chunks"), before the registry sees it.
//
// How far an upload is the registry's answers say, and are remembered; where one is
// not known to be where the chunk begins, the registry is asked. Where it can't say, as
// go-containerregistry's can't, which crane serves, who asks how far an upload is gets
// what is remembered, see uploadstatus.go.
type chunks struct {
	next *upstream.Registry
	// places has by the path of an upload how far it is.
	places *otter.Cache[string, place]
}

// place is how far an upload is.
type place struct {
	// end is the first byte that is missing.
	end int64
	// location is where the upload goes on, as the registry wrote it.
	location string
}

func newChunks(next *upstream.Registry) chunks {
	return chunks{next, otter.Must(&otter.Options[string, place]{MaximumSize: maxUploads})}
}

// Send implements [upstream.Sender].
func (c chunks) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	switch endpoint := upstream.TargetOf(req).Endpoint; {
	case endpoint == upstream.EndpointManifests, endpoint == upstream.EndpointBlobs:
		return c.next.Send(as, req)
	case req.Method == http.MethodPost && endpoint == upstream.EndpointUploads:
		return c.begin(as, req)
	case req.Method == http.MethodPatch, req.Method == http.MethodPut:
		return c.chunk(as, req)
	case req.Method == http.MethodGet:
		return c.status(as, req)
	case req.Method == http.MethodDelete:
		return c.cancel(as, req)
	default:
		return c.next.Send(as, req)
	}
}

// chunk uploads a part, or the rest.
func (c chunks) chunk(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	upload := *req.URL
	begin, chunked := beginOf(req.Header.Get("Content-Range"))
	at, known := c.places.GetIfPresent(upload.Path)
	// The begin of an upload may have been sent by another process, and sent again here.
	if chunked && (!known || at.end != begin || begin == 0) {
		refused, err := c.check(as, req, begin)
		if refused != nil || err != nil {
			closeBody(req)
			return refused, err
		}
	}
	resp, err := c.next.Send(as, req)
	switch {
	case err == nil && resp.StatusCode == http.StatusAccepted:
		end, told := endOf(resp.Header.Get("Range"))
		c.remember(&upload, resp, end, told)
	case err == nil && chunked && known && at.end != begin && refusesChunk(resp):
		// The upload is where it was.
		if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			upstream.Discard(resp)
			return outOfOrder(req, begin, at.end, at.header()), nil
		}
	default:
		c.places.Invalidate(upload.Path)
	}
	return resp, err
}

// check asks how far an upload is. It returns the answer to a chunk that does not
// begin there, and none where it does, or where the registry does not say.
func (c chunks) check(as upstream.Credentials, req *http.Request, begin int64) (*http.Response, error) {
	ask := upstream.Aside(req, http.MethodGet, req.URL)
	without(ask.URL, "digest")
	status, err := c.next.Send(as, ask)
	if err != nil {
		return nil, err
	}
	defer upstream.Discard(status)
	end, told := endOf(status.Header.Get("Range"))
	// An upload of one byte, and one of none, are both 0-0 to some.
	if !upstream.Accepted(status) || !told || begin == end || begin == 0 && end == 1 {
		return nil, nil
	}
	refused := outOfOrder(req, begin, end, status.Header)
	if refused.Header.Get("Location") == "" {
		refused.Header.Set("Location", req.URL.RequestURI())
	}
	return refused, nil
}

// refusesChunk tells whether a registry takes no chunk that is out of its order: it may
// say so by 400, of the digest that the whole has with it.
func refusesChunk(resp *http.Response) bool {
	return resp.StatusCode == http.StatusRequestedRangeNotSatisfiable || resp.StatusCode == http.StatusBadRequest
}

// outOfOrder makes the answer to a chunk that does not begin where an upload ends, of
// which status says where that is.
func outOfOrder(req *http.Request, begin, end int64, status http.Header) *http.Response {
	refused := upstream.Refusal(req, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID",
		fmt.Sprintf("the chunk begins at byte %d, and the next one that the upload needs is %d: go on from there", begin, end))
	for _, name := range []string{"Location", "Range", "Docker-Upload-Uuid"} {
		if values := status[name]; len(values) > 0 {
			refused.Header[name] = values
		}
	}
	return refused
}

// remember remembers how far an answer says that an upload is, by where it goes on.
func (c chunks) remember(upload *url.URL, resp *http.Response, end int64, told bool) {
	next, err := upload, error(nil)
	location := resp.Header.Get("Location")
	if location == "" {
		location = upload.RequestURI()
	} else {
		next, err = c.next.UploadPath(upload, resp)
	}
	if err != nil || !told || next.Path != upload.Path {
		c.places.Invalidate(upload.Path)
	}
	if err == nil && told {
		c.places.Set(next.Path, place{end, location})
	}
}

// beginOf reads the first byte of a chunk: "0-1023" (distribution-spec, "Pushing a
// blob in chunks"), or "bytes 0-1023/*" (RFC 9110, section 14.4).
func beginOf(contentRange string) (int64, bool) {
	bounds, _, _ := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	first, _, found := strings.Cut(bounds, "-")
	if !found {
		return 0, false
	}
	begin, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	return begin, err == nil && begin >= 0
}

// endOf reads how far an upload is from "0-1023", or "bytes=0-1023": the first byte
// that is missing.
func endOf(uploaded string) (int64, bool) {
	first, last, found := strings.Cut(strings.TrimPrefix(uploaded, "bytes="), "-")
	if !found || strings.TrimSpace(first) != "0" {
		return 0, false
	}
	end, err := strconv.ParseInt(strings.TrimSpace(last), 10, 64)
	return end + 1, err == nil && end >= 0
}
