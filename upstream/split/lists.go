package split

import (
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// pushOther pushes a manifest without a subject to the primary. Many registries refuse
// an index that names what they have not, and it may name what the second registry has:
// a list of referrers under their tag, which clients keep beside the API, goes where
// the referrers are; an image with its attestations (BuildKit) stays whole in the
// primary, which gets what it lacks of it.
func (q *question) pushOther(req *http.Request, p *pushed) (*http.Response, error) {
	resp, err := q.primary.Send(q.given, req)
	if err != nil || len(p.Manifests) == 0 || resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusNotFound {
		return resp, err
	}
	if oci.IsReferrersTag(q.Reference) {
		return q.pushList(p, resp)
	}
	brought, err := q.bringBack(p)
	if err == nil && !brought {
		return resp, nil
	}
	upstream.Discard(resp)
	if err != nil {
		return nil, err
	}
	again := q.like.Clone(q.like.Context())
	again.Header, again.GetBody, again.ContentLength = req.Header, req.GetBody, int64(len(p.body))
	if again.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	return q.primary.Send(q.given, again)
}

// pushList pushes a list of referrers to the second registry, if that has one of them.
// Where that refuses it too the client gets the refusal of the primary.
func (q *question) pushList(p *pushed, unfit *http.Response) (*http.Response, error) {
	has := false
	var err error
	for _, child := range p.Manifests {
		if !has && err == nil {
			has, err = q.store.hasManifest(q.like.Context(), child.Digest)
		}
	}
	if err == nil && has {
		has, err = q.listIsFree()
	}
	if err == nil && !has {
		return unfit, nil
	}
	if err == nil {
		err = q.mayPush()
	}
	if err == nil {
		err = q.bring(p)
	}
	var resp *http.Response
	if err == nil {
		resp, err = q.put(p)
	}
	if err == nil && !upstream.Accepted(resp) {
		upstream.Discard(resp)
		return unfit, nil
	}
	upstream.Discard(unfit)
	return resp, err
}

// listIsFree tells whether the referrers tag that q is about stands for nothing in the
// second registry, or for a list: anything else is not for a list to take the place of.
func (q *question) listIsFree() (bool, error) {
	m, found, err := q.store.manifest(q.like.Context(), q.Reference)
	if err != nil || !found {
		return err == nil, err
	}
	before, err := oci.ReadParts(m.Body, maxParts)
	return err == nil && before.Manifests != nil && before.SubjectDigest() == "", nil
}

// bringBack has the primary have the manifests that an index names and the second
// registry has, as the client. It tells whether there were any.
func (q *question) bringBack(p *pushed) (brought bool, err error) {
	ctx, seen := q.like.Context(), map[digest.Digest]bool{}
	for _, child := range p.Manifests {
		if seen[child.Digest] {
			continue
		}
		seen[child.Digest] = true
		_, err := q.primary.Resolve(ctx, q.as, q.Repository, child.Digest.String())
		if !errors.Is(err, upstream.ErrNotFound) {
			continue // It is there, or the primary has said why not.
		}
		m, found, err := q.store.manifest(ctx, child.Digest.String())
		if err != nil {
			return false, err
		}
		if !found {
			continue
		}
		if err := place(ctx, q.primary, q.as, q.Repository, m); err != nil {
			return false, err
		}
		brought = true
	}
	return brought, nil
}
