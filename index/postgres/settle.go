package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

// Settle implements [index.Store].
func (s *Store) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	stale := false
	err := s.onIntent(ctx, id, func(w *writing, intent *openIntent) (err error) {
		stale, err = w.settle(intent, finding)
		return err
	})
	if err == nil && stale {
		err = index.ErrStale
	}
	if err != nil {
		return fmt.Errorf("settle intent %d: %w", id, err)
	}
	return nil
}

func (w *writing) settle(intent *openIntent, finding index.Finding) (stale bool, err error) {
	over := finding.At.After(intent.Deadline)
	switch {
	case intent.Kind == index.IntentImport:
		intent.ended = finding.Present && over
		return false, nil
	case finding.Present && w.stalePresent(intent.matter, finding.Mark), !finding.Present && w.staleAbsent(intent.matter, finding.Mark):
		return true, nil
	case finding.Present:
		err = w.settlePresent(intent, over)
	default:
		w.settleAbsent(intent)
	}
	intent.ended = over
	return false, err
}

func (w *writing) settlePresent(intent *openIntent, over bool) error {
	if intent.Kind != index.IntentPush {
		return nil
	}
	news := over || !intent.Recorded || intent.matter.live.is == nil
	if err := w.putRecord(intent.matter, intent.Record, news); err != nil {
		return err
	}
	// What is no news is not noted, so that readers who ask again and again
	// don't make each other's answers stale.
	if news {
		w.noteRecorded(intent)
	}
	intent.changed = intent.changed || !intent.Recorded
	intent.Recorded = true
	return nil
}

func (w *writing) settleAbsent(intent *openIntent) {
	removed := false
	if intent.Kind == index.IntentDelete || intent.Contended {
		removed = w.removeRecord(intent.matter)
	}
	// A delete is noted even where there was no record: one that was read
	// before it must not come now.
	if removed || intent.Kind == index.IntentDelete {
		w.markGone(intent.matter)
	}
}
