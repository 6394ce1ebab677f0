package shim

import (
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// remove deletes a manifest by its digest: the one that is kept, with all tags that
// stand for it, as far as the registry deletes these with a manifest, and the
// registry's own. The blobs of an envelope are left to the registry's garbage
// collection.
//
// What is kept goes first, although that is a question more of a manifest that is not:
// Distribution 2 takes a blob for a manifest that it is asked to delete, and so would
// take out of an envelope what is in it, and say that this was all.
func (k kept) remove(as upstream.Credentials, req *http.Request, t upstream.Target, named digest.Digest) (*http.Response, error) {
	ctx, behind := req.Context(), as.Behind(req)
	ask := upstream.Aside(req, http.MethodDelete, req.URL)
	found, err := k.locate(ctx, behind, t.Repository, named)
	var status *upstream.StatusError
	switch {
	case errors.Is(err, upstream.ErrNotFound), errors.As(err, &status) && !status.Busy():
		// Whom the registry lets delete, and not read, it tells what it has.
		return k.next.Send(as, req)
	case err != nil:
		closeBody(req)
		return orStatus(ask, err)
	}
	retarget(ask, manifestURL(t.Repository, found.in.String()).Path)
	gone, err := k.next.Send(as, ask)
	if err != nil || !accepted(gone) && gone.StatusCode != http.StatusNotFound || found.in == named {
		closeBody(req)
		return gone, err
	}
	resp, err := k.next.Send(as, req)
	switch {
	case err != nil:
		discard(gone)
		return nil, err
	case accepted(gone) && missing(resp):
		discard(resp)
		return gone, nil
	default:
		discard(gone)
		return resp, nil
	}
}
