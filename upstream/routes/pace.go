package routes

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/backref/backref/oci"
)

// wait returns how long it is until the registry may be sent another request; 0 where
// that is now, and then one is counted.
func (r *route) wait() time.Duration {
	if r.limiter == nil {
		return 0
	}
	now := time.Now()
	reserved := r.limiter.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// tooMany is the answer to a request that comes too early.
func tooMany(req *http.Request, wait time.Duration) *http.Response {
	seconds := int((wait + time.Second - 1) / time.Second)
	return refusal(req, http.StatusTooManyRequests, oci.CodeTooManyRequests,
		fmt.Sprintf("this proxy sends the registry behind it no more requests just now; try again in %d s", seconds),
		http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// refusal makes a response that is an error of the specification. The request's body
// is left unread.
func refusal(req *http.Request, status int, code, message string, header http.Header) *http.Response {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	body := oci.ErrorBody(code, message)
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	resp := &http.Response{
		StatusCode: status, Status: strconv.Itoa(status) + " " + http.StatusText(status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(body)), Body: http.NoBody, Request: req,
	}
	if req.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}
