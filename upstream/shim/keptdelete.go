package shim

import (
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// remove deletes a manifest by its digest: the registry's own, else the one that is
// kept, with all tags that stand for it, as far as the registry deletes these with a
// manifest. The blobs of an envelope are left to the registry's garbage collection.
func (k kept) remove(as upstream.Credentials, req *http.Request, t target, named digest.Digest) (*http.Response, error) {
	ctx, behind := req.Context(), as.Behind(req)
	ask := aside(req, http.MethodDelete, req.URL)
	resp, err := k.next.Send(as, req)
	if err != nil || !missing(resp) {
		return resp, err
	}
	found, err := k.find(ctx, behind, t.repository, named)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return resp, nil
	case err != nil:
		discard(resp)
		return orStatus(ask, err)
	}
	discard(resp)
	retarget(ask, manifestURL(t.repository, found.in.String()).Path)
	return k.next.Send(as, ask)
}
