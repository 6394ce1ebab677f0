package split

import (
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// remove deletes a manifest, or a tag.
func (q *question) remove(req *http.Request) (*http.Response, error) {
	if q.byDigest() {
		return q.removeDigest(req)
	}
	// Registries that delete no tags say so whether or not they have this one.
	_, err := q.primary.Resolve(q.like.Context(), q.as, q.Repository, q.Reference)
	if !errors.Is(err, upstream.ErrNotFound) {
		return q.primary.Send(q.given, req)
	}
	resp, err := q.removeThere()
	if resp != nil || err != nil {
		return resp, err
	}
	return q.primary.Send(q.given, req)
}

// removeDigest deletes a manifest by its digest. One that both have, since somebody
// pushed it past backref, is to be gone from both.
func (q *question) removeDigest(req *http.Request) (*http.Response, error) {
	resp, err := q.primary.Send(q.given, req)
	switch {
	case err != nil:
		return nil, err
	case upstream.Accepted(resp):
		if err := q.removeToo(); err != nil {
			upstream.Discard(resp)
			return nil, err
		}
		return resp, nil
	case resp.StatusCode != http.StatusNotFound:
		return resp, nil
	}
	there, err := q.removeThere()
	if there == nil && err == nil {
		return resp, nil
	}
	upstream.Discard(resp)
	return there, err
}

// removeThere deletes from the second registry what the primary has not, if who asks
// may read and push in the primary. It returns nothing where they may not, or where it
// isn't there.
func (q *question) removeThere() (*http.Response, error) {
	_, may, err := q.shown([]*beside{q.store})
	if err != nil || !may {
		return nil, err
	}
	var no *refused
	if err := q.mayPush(); errors.As(err, &no) {
		upstream.Discard(no.Response)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	resp, err := q.sendThere(http.MethodDelete, nil, nil)
	if err == nil && resp.StatusCode == http.StatusNotFound {
		upstream.Discard(resp)
		return nil, nil
	}
	return resp, err
}

// removeToo deletes from the second registry what the primary has deleted. Where that
// fails the delete is to be asked for again.
func (q *question) removeToo() error {
	resp, err := q.sendThere(http.MethodDelete, nil, nil)
	if err != nil {
		return err
	}
	upstream.Discard(resp)
	if upstream.Accepted(resp) || resp.StatusCode == http.StatusNotFound {
		return nil
	}
	// A registry that deletes nothing says so whether or not it has it.
	has, err := q.store.hasManifest(q.like.Context(), digest.Digest(q.Reference))
	if err == nil && has {
		err = q.store.failed(statusOf(resp))
	}
	return err
}
