package routes

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
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
	resp := refusal(req, http.StatusTooManyRequests, oci.CodeTooManyRequests,
		fmt.Sprintf("this proxy sends the registry behind it no more requests just now; try again in %d s", seconds))
	resp.Header.Set("Retry-After", strconv.Itoa(seconds))
	return resp
}

// refusal makes a response that is an error of the specification. The request's body
// is left unread.
func refusal(req *http.Request, status int, code, message string) *http.Response {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return upstream.Refusal(req, status, code, message)
}
