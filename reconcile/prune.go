package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// Pruned is a referrers tag that a pruning looked at.
type Pruned struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	// Entries is how many referrers the tag lists.
	Entries int `json:"entries"`
	// Removable says that the index has all of them.
	Removable bool `json:"removable"`
	// Removed says that the tag was deleted.
	Removed bool `json:"removed"`
	// Reason is why it is not removable, or could not be removed.
	Reason string `json:"reason,omitempty"`
}

// Prune deletes the referrers tags whose entries are all in the index, or, in
// a dry run, only tells which they are. each is told of every referrers tag.
// The image index behind a tag is deleted by its digest, so that one which
// was written meanwhile stays. [ErrBusy] as for Rebuild.
func (r *Reconciler) Prune(ctx context.Context, options Options, dryRun bool, each func(Pruned)) error {
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	names, err := r.repositories(ctx, options, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	for _, name := range names {
		tags, err := r.source.tags(ctx, name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		for _, tag := range tags {
			if !index.IsReferrersTag(tag) {
				continue
			}
			pruned, err := r.pruneOne(ctx, name, tag, dryRun)
			if err != nil {
				return err
			}
			each(pruned)
		}
	}
	return nil
}

func (r *Reconciler) pruneOne(ctx context.Context, repository, tag string, dryRun bool) (Pruned, error) {
	pruned := Pruned{Repository: repository, Tag: tag}
	list, err := r.source.record(ctx, repository, tag)
	if err != nil {
		pruned.Reason = err.Error()
		return pruned, ctx.Err()
	}
	if list.MediaType != index.MediaTypeImageIndex || list.Subject() != "" {
		pruned.Reason = "is not a referrers tag but another manifest"
		return pruned, nil
	}
	for _, entry := range children(list.Manifest) {
		pruned.Entries++
		if pruned.Reason, err = r.unindexed(ctx, index.Key{Repository: repository, Digest: entry}, tag); pruned.Reason != "" || err != nil {
			return pruned, err
		}
	}
	pruned.Removable = true
	if !dryRun {
		if err := r.source.drop(ctx, r.store, index.Key{Repository: repository, Digest: list.Digest}); err != nil {
			pruned.Reason = err.Error()
			return pruned, ctx.Err()
		}
	}
	pruned.Removed = !dryRun
	return pruned, nil
}

// unindexed says why an entry of a referrers tag forbids to delete the tag: it
// is, or may be, a referrer that the index has not.
func (r *Reconciler) unindexed(ctx context.Context, key index.Key, tag string) (reason string, err error) {
	known, err := r.knows(ctx, key)
	if known || err != nil {
		return "", err
	}
	record, err := r.source.record(ctx, key.Repository, key.Digest.String())
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, upstream.ErrNotFound):
		return "", nil
	case err != nil:
		return err.Error(), nil
	case record.Subject() != "" && index.ReferrersTag(record.Subject()) == tag:
		return "lists " + key.Digest.String() + ", which the index has not: rebuild it", nil
	}
	return "", nil
}
