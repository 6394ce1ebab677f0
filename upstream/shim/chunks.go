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
// not known to be where the chunk begins, the registry is asked.
type chunks struct {
	next upstream.Sender
	// ends has of the path of an upload the first byte that is missing.
	ends *otter.Cache[string, int64]
}

func newChunks(next upstream.Sender) chunks {
	return chunks{next, otter.Must(&otter.Options[string, int64]{MaximumSize: maxUploads})}
}

// Send implements [upstream.Sender].
func (c chunks) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPatch && req.Method != http.MethodPut {
		return c.next.Send(as, req)
	}
	begin, chunked := beginOf(req.Header.Get("Content-Range"))
	if !chunked || targetOf(req).endpoint == endpointManifests {
		return c.next.Send(as, req)
	}
	upload := *req.URL
	if end, known := c.ends.GetIfPresent(upload.Path); !known || end != begin {
		refused, err := c.check(as, req, begin)
		if refused != nil || err != nil {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return refused, err
		}
	}
	resp, err := c.next.Send(as, req)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		c.ends.Invalidate(upload.Path)
		return resp, err
	}
	if end, told := endOf(resp.Header.Get("Range")); told {
		c.ends.Set(nextPath(resp, &upload), end)
	}
	return resp, nil
}

// check asks how far an upload is. It returns the answer to a chunk that does not
// begin there, and none where it does, or where the registry does not say.
func (c chunks) check(as upstream.Credentials, req *http.Request, begin int64) (*http.Response, error) {
	ask := aside(req, http.MethodGet, req.URL)
	without(ask.URL, "digest")
	status, err := c.next.Send(as, ask)
	if err != nil {
		return nil, err
	}
	defer discard(status)
	end, told := endOf(status.Header.Get("Range"))
	// An upload of one byte, and one of none, are both 0-0 to some.
	if !accepted(status) || !told || begin == end || begin == 0 && end == 1 {
		return nil, nil
	}
	refused := refusal(req, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID",
		fmt.Sprintf("the chunk begins at byte %d, and the next one that the upload needs is %d: go on from there", begin, end))
	for _, name := range []string{"Location", "Range", "Docker-Upload-Uuid"} {
		if values := status.Header[name]; len(values) > 0 {
			refused.Header[name] = values
		}
	}
	if refused.Header.Get("Location") == "" {
		refused.Header.Set("Location", req.URL.RequestURI())
	}
	return refused, nil
}

// nextPath returns the path by which the next chunk is sent.
func nextPath(resp *http.Response, upload *url.URL) string {
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || location.Path == "" {
		return upload.Path
	}
	return location.Path
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
