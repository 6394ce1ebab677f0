package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Parents shows the manifests of a repository that name a digest, be it a
// manifest's or a blob's, in the order of [index.Store]: at most limit, those
// behind the given one. show tells whether there was room for one; after one
// without room none follows. more reports whether there are parents that were
// not shown. A caller who may read nothing of the repository is shown none.
//
// Referrers are parents too, so whatever may hold more of them than the index is
// asked first, as for a listing. A registry that fails at the child as a
// manifest decides nothing: it may be a blob.
func (r *Registry) Parents(
	ctx context.Context, caller *Caller, child digest.Digest, after index.Parent, limit int,
	show func(index.Parent, index.Record) (bool, error),
) (last index.Parent, more bool, err error) {
	if err := r.Enter(ctx, caller, child); err != nil && !brokenManifest(err) {
		return last, false, err
	}
	if err := r.complete(ctx, caller, child); err != nil && !errors.Is(err, errNoManifest) {
		return last, false, err
	}
	parents, err := r.store.Parents(ctx, caller.repository, child, after, limit+1)
	if err != nil {
		return last, false, err
	}
	if err := r.tryParents(ctx, caller, parents); err != nil || !caller.Permitted() {
		return last, false, err
	}
	for _, parent := range parents {
		record, err := caller.grant.record(ctx, parent.Digest)
		switch {
		case errors.Is(err, index.ErrNotFound):
			// It was deleted since.
		case err != nil:
			return last, false, err
		default:
			if shown, err := show(parent, record); !shown || err != nil {
				return last, true, err
			}
		}
		last = parent
	}
	return last, len(parents) > limit, nil
}

// complete makes the index know all referrers of a manifest that the upstream
// shows to the caller, those of its own API too.
func (r *Registry) complete(ctx context.Context, caller *Caller, subject digest.Digest) error {
	_, err := r.Listing(ctx, caller, subject, index.Query{Limit: 1})
	return err
}

// tryParents lets a caller in by a parent that it may read, where what it asked
// about is no manifest that the upstream has.
func (r *Registry) tryParents(ctx context.Context, caller *Caller, parents []index.Parent) error {
	digests := make([]digest.Digest, 0, len(parents))
	for _, parent := range parents {
		digests = append(digests, parent.Digest)
	}
	return r.tryManifests(ctx, caller, digests)
}
