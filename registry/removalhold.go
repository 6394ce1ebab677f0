package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/policy"
)

// ErrHeld means that a locked tag holds a manifest, which is not deleted then. Its text
// names the rule.
var ErrHeld = errors.New("a locked tag holds it")

// HoldForRemoval is a [Removal.Hold]: it keeps those out who push a first locked tag of
// the manifest, or of an index that lists it, and makes sure, as the service, that
// there is none yet. It costs nothing where no tags of the repository are locked.
func (r *Registry) HoldForRemoval(ctx context.Context, repository string, manifest digest.Digest) (release func(), err error) {
	if _, in := r.Policies().Locks.In(repository, r.now()); !in {
		return func() {}, nil
	}
	as, _ := r.upstream.Service()
	var hold holding
	if err := r.holdManifests(ctx, repository, &hold, manifest); err != nil {
		return nil, err
	}
	decision, err := r.LockedBy(ctx, NewCaller(as, Scope{Repository: repository}), manifest)
	switch {
	case err == nil && decision.Denied:
		err = fmt.Errorf("%w, by rule %s: %s", ErrHeld, decision.Rule, decision.Reason)
	case err == nil && hold.held.lost():
		err = tagLost()
	}
	if err != nil {
		hold.release()
		return nil, err
	}
	return hold.release, nil
}

// LockedTag tells by which rule a tag is locked, whether or not it is there.
func (r *Registry) LockedTag(repository, tag string) policy.Decision {
	return r.Policies().Locks.Decide(repository, tag, r.now())
}
