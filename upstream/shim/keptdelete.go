package shim

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
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
		return k.removeOwn(as, req, t, named)
	case err != nil:
		closeBody(req)
		return upstream.AnswerOf(ask, err)
	}
	retarget(ask, manifestURL(t.Repository, found.in.String()).Path)
	gone, err := k.next.Send(as, ask)
	if err != nil || !upstream.Accepted(gone) && gone.StatusCode != http.StatusNotFound || found.in == named {
		closeBody(req)
		return gone, err
	}
	resp, err := k.next.Send(as, req)
	switch {
	case err != nil:
		upstream.Discard(gone)
		return nil, err
	case upstream.Accepted(gone) && missing(resp):
		upstream.Discard(resp)
		return gone, nil
	default:
		upstream.Discard(gone)
		return resp, nil
	}
}

// removeOwn deletes what the registry has by a digest, unless that is an envelope: it
// stands for what is in it, and goes with that. By a digest of its own it would pass by
// the rules that hold what is in it, such as those of locked tags.
func (k kept) removeOwn(as upstream.Credentials, req *http.Request, t upstream.Target, named digest.Digest) (*http.Response, error) {
	ask := upstream.Aside(req, http.MethodDelete, req.URL)
	is, err := k.isEnvelope(req.Context(), as.Behind(req), t, named)
	switch {
	case err != nil:
		closeBody(req)
		return upstream.AnswerOf(ask, err)
	case is:
		closeBody(req)
		return upstream.Refusal(ask, http.StatusForbidden, oci.CodeDenied,
			"this is an envelope, in which backref keeps what the registry refuses: delete the manifest that is in it"), nil
	default:
		return k.next.Send(as, req)
	}
}

// isEnvelope tells whether a digest is that of an envelope. It is not to who may not
// read it.
func (k kept) isEnvelope(ctx context.Context, as upstream.Credentials, t upstream.Target, named digest.Digest) (bool, error) {
	if told, known := k.verdicts.GetIfPresent(named); known {
		return told.is, nil
	}
	found, err := k.next.Manifest(ctx, as.For(t.Repository), t.Repository, named.String(), maxKept)
	var status *upstream.StatusError
	switch {
	case errors.As(err, &status) && unreadable(status.Status):
		return false, nil // An envelope can be read.
	case unsure(err):
		return false, err
	case err != nil:
		return false, nil //nolint:nilerr // It is nothing that can be read, and so no envelope.
	}
	e, err := decodeEnvelope(found.Body)
	k.judged(named, e, err)
	return err == nil, nil
}
