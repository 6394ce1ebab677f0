package shim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/backref/backref/upstream"
)

// ranges is the shim for registries that get ranges of blobs wrong (RFC 9110, section
// 14). One that can't be satisfied is answered by 416 and the length of the whole blob,
// so that the connection ends before the answer does, by CNCF Distribution 2.8 and
// older: the answer gets the length that it has. One that can be satisfied is answered
// by 416, unless it names its first and its last byte and both are there, by
// go-containerregistry's registry, which crane serves: it is asked for by these. One
// that ends before it begins is answered by 206 there, and gets 416.
//
// How large the blob is the answer says, else the registry is asked. Several ranges at
// once are left to the registry.
type ranges struct {
	next upstream.Sender
}

// Send implements [upstream.Sender].
func (r ranges) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	asked := req.Header.Get("Range")
	if req.Method != http.MethodGet || asked == "" || upstream.TargetOf(req).Endpoint != upstream.EndpointBlobs {
		return r.next.Send(as, req)
	}
	again, size := req.Clone(req.Context()), upstream.Aside(req, http.MethodHead, req.URL)
	resp, err := r.next.Send(as, req)
	if err != nil {
		return nil, err
	}
	bounds, one := boundsOf(asked)
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		lengthen(resp)
		if one && bounds.valid() && (again.Body == nil || again.Body == http.NoBody) {
			return r.spellOut(as, again, size, bounds, resp)
		}
		return resp, nil
	case resp.StatusCode == http.StatusPartialContent && one && !bounds.valid():
		return r.refuse(req, resp), nil
	default:
		return resp, nil
	}
}

// lengthen gives an answer that breaks off the length that it has.
func lengthen(resp *http.Response) {
	said, err := peek(resp, maxRefusal)
	if err == nil {
		return
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(said))
	resp.ContentLength = int64(len(said))
	resp.Header.Set("Content-Length", strconv.Itoa(len(said)))
}

// spellOut asks for a range that the registry refused by its first and its last byte.
// Where the blob has nothing of it, or the registry refuses it then too, the answer is
// the first one.
func (r ranges) spellOut(as upstream.Credentials, again, size *http.Request, bounds bounds, refused *http.Response) (*http.Response, error) {
	length, told := completeLength(refused)
	if !told {
		whole, err := r.next.Send(as, size)
		if err != nil {
			return refused, nil //nolint:nilerr // The registry's refusal is an answer already.
		}
		upstream.Discard(whole)
		if whole.StatusCode != http.StatusOK || whole.ContentLength < 0 {
			return refused, nil
		}
		length = whole.ContentLength
	}
	first, last, satisfiable := bounds.within(length)
	spelled := fmt.Sprintf("bytes=%d-%d", first, last)
	if !satisfiable || spelled == again.Header.Get("Range") {
		return refused, nil
	}
	again.Header.Set("Range", spelled)
	resp, err := r.next.Send(as, again)
	if err != nil {
		return refused, nil //nolint:nilerr // The registry's refusal is an answer already.
	}
	if !upstream.Accepted(resp) {
		upstream.Discard(resp)
		return refused, nil
	}
	upstream.Discard(refused)
	return resp, nil
}

// refuse makes the answer to a range that ends before it begins.
func (ranges) refuse(req *http.Request, resp *http.Response) *http.Response {
	refused := upstream.Refusal(req, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "the range ends before it begins: give its first byte and then its last")
	if length, told := completeLength(resp); told {
		refused.Header.Set("Content-Range", "bytes */"+strconv.FormatInt(length, 10))
	}
	upstream.Discard(resp)
	return refused
}

// completeLength returns the size of the blob that an answer is about, from its
// Content-Range (RFC 9110, section 14.4).
func completeLength(resp *http.Response) (int64, bool) {
	_, complete, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	return number(complete)
}

// bounds are those of a range. Of a suffix only last is there, and is its length; of
// what goes on to the end only first.
type bounds struct {
	first, last       int64
	hasFirst, hasLast bool
}

// boundsOf reads a Range of one range of bytes (RFC 9110, section 14.1.2).
func boundsOf(text string) (bounds, bool) {
	unit, set, found := strings.Cut(text, "=")
	first, last, isRange := strings.Cut(strings.TrimSpace(set), "-")
	if !found || !isRange || !strings.EqualFold(unit, "bytes") {
		return bounds{}, false
	}
	var b bounds
	b.first, b.hasFirst = number(first)
	b.last, b.hasLast = number(last)
	ok := (b.hasFirst || first == "") && (b.hasLast || last == "") && (b.hasFirst || b.hasLast)
	return b, ok
}

// number reads digits, and nothing else.
func number(digits string) (int64, bool) {
	if strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// valid tells whether a range does not end before it begins.
func (b bounds) valid() bool {
	return !b.hasFirst || !b.hasLast || b.first <= b.last
}

// within returns the first and the last byte that a range has of so many; false where
// it has none of them.
func (b bounds) within(length int64) (first, last int64, satisfiable bool) {
	switch {
	case !b.hasFirst:
		return max(0, length-b.last), length - 1, b.last > 0 && length > 0
	case !b.hasLast:
		return b.first, length - 1, b.first < length
	default:
		return b.first, min(b.last, length-1), b.first < length
	}
}
