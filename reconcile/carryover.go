package reconcile

import (
	"context"
	"errors"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// carryOver looks at the live records that the reading did not bring, which no
// list of the registry names. Those that the registry has are kept; those that
// it was twice found not to have are left behind. What it gives no answer for,
// where that is allowed, and what the options are not about, is kept.
func (r *rebuild) carryOver(ctx context.Context) error {
	r.count(func() { r.state.Phase = "keeping" })
	asked := &presence{
		Reconciler: r.Reconciler,
		present:    r.carry,
		missing: func(context.Context, index.Mark, index.Record) error {
			r.count(func() { r.report.Dropped++ })
			return nil
		},
		missed: func(ctx context.Context, record index.Record, cause error) error {
			r.missed(record.Repository, record.Digest.String(), cause)
			if !r.options.AllowPartial {
				// The result will not be used. A record that was taken over
				// would not be asked for again if the rebuild is resumed.
				return nil
			}
			return r.carryUnasked(ctx, record)
		},
	}
	for after := (index.Key{}); ; {
		records, scanned, err := r.store.Unfilled(ctx, after, recordsPage)
		if err != nil {
			return err
		}
		var selected []index.Record
		for _, record := range records {
			if r.options.selects(record.Repository) {
				selected = append(selected, record)
			} else if err := r.carryUnasked(ctx, record); err != nil {
				return err
			}
		}
		if err := asked.ask(ctx, selected); err != nil {
			return err
		}
		if scanned == (index.Key{}) {
			return asked.flush(ctx)
		}
		after = scanned
	}
}

// carry takes a live record over. One that is deleted in the same moment is
// gone from the live ones as well.
func (r *rebuild) carry(ctx context.Context, mark index.Mark, record index.Record) error {
	err := r.store.Fill(ctx, mark, r.checkpoint(), record)
	if errors.Is(err, index.ErrStale) {
		return r.carryUnasked(ctx, record)
	}
	if err == nil {
		r.count(func() { r.report.Kept++ })
	}
	return err
}

// carryUnasked takes a live record over as long as it is live.
func (r *rebuild) carryUnasked(ctx context.Context, record index.Record) error {
	return registry.UnderMark(ctx, r.store, func(ctx context.Context, mark index.Mark) error {
		known, err := r.source.Knows(ctx, record.Repository, record.Digest)
		if err != nil || !known {
			return err
		}
		err = r.store.Fill(ctx, mark, r.checkpoint(), record)
		if err == nil {
			r.count(func() { r.report.Kept++ })
		}
		return err
	})
}
