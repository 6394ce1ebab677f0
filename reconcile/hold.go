package reconcile

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// Held is a referrer that had no hidden tag.
type Held struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	// Tagged says that it was given one.
	Tagged bool `json:"tagged"`
	// Reason is why it can't be, or could not be, given one.
	Reason string `json:"reason,omitempty"`
}

// Hold gives the referrers that the index knows, and the options select, the
// hidden tags that they lack (see [oci.HiddenTag]), or, in a dry run, only
// tells which lack one. each is told of every one of these. What nothing holds
// afterwards is noted in the index, and what is held is noted no more. [ErrBusy]
// as for Rebuild.
func (r *Reconciler) Hold(ctx context.Context, options Options, dryRun bool, each func(Held)) error {
	if err := options.Check(); err != nil {
		return err
	}
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	ctx, work := r.beginWork(ctx, "holding", append(optionFields(options), zap.Bool("dryRun", dryRun))...)
	lacking, tagged := 0, 0
	err = r.hold(registry.Quiet(ctx), options, dryRun, func(h Held) {
		if lacking++; h.Tagged {
			tagged++
		}
		each(h)
	})
	work.end(ctx, err, zap.Int("lacking", lacking), zap.Int("tagged", tagged))
	return err
}

func (r *Reconciler) hold(ctx context.Context, options Options, dryRun bool, each func(Held)) error {
	stats, err := r.store.Stats(ctx)
	if err != nil {
		return err
	}
	holding := holding{Reconciler: r, dryRun: dryRun, each: each, noted: stats.Unheld > 0}
	for after := (index.Key{}); ; {
		records, err := r.store.Records(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		for _, record := range records {
			after = record.Key()
			if record.Subject() == "" || !options.selects(record.Repository) {
				continue
			}
			if err := holding.one(ctx, record); err != nil {
				return err
			}
		}
		if len(records) < recordsPage {
			return nil
		}
	}
}

// holding is one run. Records come repository by repository, so that the tags of
// one are held at a time.
type holding struct {
	*Reconciler
	dryRun bool
	each   func(Held)
	// noted says that the index has notes, which may have to be taken back.
	noted bool

	repository string
	// own are the tags that hold manifests by their form.
	own map[string]bool
}

func (h *holding) one(ctx context.Context, record index.Record) error {
	if err := h.enter(ctx, record.Repository); err != nil {
		return err
	}
	if h.own[oci.HiddenTag(record.Digest)] || h.own[oci.KeptTag(record.Digest)] {
		return h.note(ctx, record, false)
	}
	held := Held{Repository: record.Repository, Digest: record.Digest}
	if _, possible := oci.HiddenTagOf(oci.HiddenTag(record.Digest)); !possible || record.Digest.Algorithm() != digest.Canonical {
		held.Reason = "a tag stands for no digest of this algorithm"
	} else if !h.dryRun {
		err := h.source.ownTags().WriteHidden(ctx, record.Repository, record.Digest)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if held.Tagged = err == nil; err != nil {
			held.Reason = err.Error()
		}
	}
	h.each(held)
	return h.note(ctx, record, !held.Tagged)
}

// note keeps what was found, unless nothing is to be changed.
func (h *holding) note(ctx context.Context, record index.Record, unheld bool) error {
	if h.dryRun || !unheld && !h.noted {
		return nil
	}
	return h.store.SetUnheld(ctx, record.Repository, record.Digest, unheld)
}

// enter reads the hidden tags of a repository.
func (h *holding) enter(ctx context.Context, repository string) error {
	if h.own != nil && h.repository == repository {
		return nil
	}
	tags, err := h.source.tags(ctx, repository)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	h.repository, h.own = repository, map[string]bool{}
	for _, tag := range tags {
		if oci.IsOwnTag(tag) {
			h.own[tag] = true
		}
	}
	return nil
}
