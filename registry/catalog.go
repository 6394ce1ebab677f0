package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// Manifests reads a page of the manifests of a repository that the index knows,
// whether or not they have a tag or a subject, and reports whether there are
// more. To a caller who may read nothing of the repository it is the page of an
// unknown one.
func (r *Registry) Manifests(ctx context.Context, caller *Caller, query index.Query) ([]index.Record, bool, error) {
	if err := r.tryArtifacts(ctx, caller); err != nil || !caller.Permitted() {
		return nil, false, err
	}
	return caller.grant.manifests(ctx, query)
}

// tryArtifacts lets a caller in by a manifest of the repository that it may
// read: one that the index knows, or one that a tag leads to. Both are tried
// whatever the index holds.
func (r *Registry) tryArtifacts(ctx context.Context, caller *Caller) error {
	if r.Recall(caller) {
		return nil
	}
	records, _, err := r.store.Manifests(ctx, caller.repository, index.Query{Limit: maxProbes, MaxBytes: probeBytes})
	if err != nil {
		return err
	}
	digests := make([]digest.Digest, 0, len(records))
	for _, record := range records {
		digests = append(digests, record.Digest)
	}
	if err := r.tryManifests(ctx, caller, digests); err != nil || caller.Permitted() {
		return err
	}
	return r.tryTags(ctx, caller)
}

// tryTags lets a caller in by the first tags.
func (r *Registry) tryTags(ctx context.Context, caller *Caller) error {
	tried := 0
	for tag, err := range r.upstream.Tags(ctx, caller.as, caller.repository, r.Limits().ListEntries) {
		if tried++; tried > maxProbes || errors.Is(err, upstream.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch _, err := r.tagDigest(ctx, caller, tag); {
		case err == nil:
			r.permit(caller)
			return nil
		case !errors.Is(err, upstream.ErrNotFound):
			return err
		}
	}
	return nil
}
