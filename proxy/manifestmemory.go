package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
)

// hurry gives a client limits.manifestTime to send its manifest, since others
// wait for the room. The caller has to call rest when it is there.
func (p *Proxy) hurry(w http.ResponseWriter, r *http.Request) (rest func(), err error) {
	return wrap.Hurry(w, r, time.Now().Add(p.limits().ManifestTime))
}

// discard reads a manifest that is refused, and keeps nothing of it: most
// clients look for an answer only when they have sent all, and one that is
// still sending when the connection is closed never sees why. A client that
// expects to be asked for its body first is not asked.
func (p *Proxy) discard(w http.ResponseWriter, r *http.Request, size int64) {
	if r.Header.Get("Expect") != "" || r.Context().Err() != nil {
		return
	}
	rest, err := p.hurry(w, r)
	if err != nil {
		return
	}
	defer rest()
	_, _ = io.CopyN(io.Discard, r.Body, size)
}

// tooSlow is the answer to a client that did not hurry.
func (p *Proxy) tooSlow(err error) *oci.Error {
	return &oci.Error{
		Status: http.StatusRequestTimeout, Code: oci.CodeManifestInvalid, Cause: err,
		Message: fmt.Sprintf("the manifest did not arrive within %s (limits.manifestTime); send it again", p.limits().ManifestTime),
		Header:  http.Header{"Connection": {"close"}, "Retry-After": {strconv.Itoa(int(oci.RetryAfter / time.Second))}},
		Limit:   "limits.manifestTime",
	}
}

// late tells whether reading ended because its time was over.
func late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded)
}
