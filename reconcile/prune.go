package reconcile

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// Pruned is a referrers tag that a pruning looked at.
type Pruned struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	// Entries is how many referrers the tag lists, gone ones included.
	Entries int `json:"entries"`
	// Removable says that the index has all of them.
	Removable bool `json:"removable"`
	// Removed says that the tag was deleted.
	Removed bool `json:"removed"`
	// Reason is why it is not removable, or could not be removed.
	Reason string `json:"reason,omitempty"`
}

// Prune deletes the referrers tags whose entries are all in the index, or, in
// a dry run, only tells which they are. each is told of every tag of their form;
// what is shown to be no list of referrers stays.
// The image index behind a tag is deleted by its digest, so that one which
// was written meanwhile stays. [ErrBusy] as for Rebuild.
func (r *Reconciler) Prune(ctx context.Context, options Options, dryRun bool, each func(Pruned)) error {
	if err := options.Check(); err != nil {
		return err
	}
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, work := r.beginWork(ctx, "pruning", append(optionFields(options), zap.Bool("dryRun", dryRun))...)
	looked, removed := 0, 0
	err = r.prune(registry.Quiet(ctx), options, dryRun, func(p Pruned) {
		if looked++; p.Removed {
			removed++
		}
		each(p)
	})
	work.end(ctx, err, zap.Int("tags", looked), zap.Int("removed", removed))
	return err
}

func (r *Reconciler) prune(ctx context.Context, options Options, dryRun bool, each func(Pruned)) error {
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
			if !oci.IsReferrersTag(tag) {
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
	judged, err := r.source.Judge(ctx, repository, tag)
	if err != nil {
		pruned.Reason = err.Error()
		return pruned, ctx.Err()
	}
	pruned.Entries = len(judged.Referrers) + len(judged.Gone)
	switch {
	case judged.Kind == index.TagAbsent:
		pruned.Reason = "is gone"
	case judged.Kind == index.TagOther:
		pruned.Reason = "is no referrers tag: " + judged.Reason
	case len(judged.Fresh) > 0:
		pruned.Reason = "lists " + judged.Fresh[0].Digest.String() + ", which the index has not: rebuild it"
	}
	if pruned.Reason != "" {
		return pruned, nil
	}
	pruned.Removable = true
	if !dryRun {
		if err := r.source.dropReferrers(ctx, repository, tag, judged.Digest); err != nil {
			pruned.Reason = err.Error()
			return pruned, ctx.Err()
		}
	}
	pruned.Removed = !dryRun
	return pruned, nil
}
