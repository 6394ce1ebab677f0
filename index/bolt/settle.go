package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

// Settle implements [index.Store].
func (s *Store) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	stale := false
	err := s.change(ctx, func(w *writing) error {
		stale = false
		intent, err := w.intent(id)
		if err != nil || intent == nil {
			return err
		}
		stale, err = w.settle(*intent, finding)
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

func (w *writing) settle(intent index.Intent, finding index.Finding) (stale bool, err error) {
	over := finding.At.After(intent.Deadline)
	if intent.Kind == index.IntentImport {
		if finding.Present && over {
			return false, w.end(intent)
		}
		return false, nil
	}
	key, err := intentKey(intent)
	if err != nil {
		return false, err
	}
	if finding.Present {
		stale, err = w.stalePresent(key, finding.Mark)
	} else {
		stale, err = w.staleAbsent(key, finding.Mark)
	}
	switch {
	case stale || err != nil:
		return stale, err
	case finding.Present:
		return false, w.settlePresent(key, intent, over)
	default:
		return false, w.settleAbsent(key, intent, over)
	}
}

func (w *writing) settlePresent(key []byte, intent index.Intent, over bool) error {
	if intent.Kind == index.IntentPush {
		news := over || !intent.Recorded || w.live.get(key) == nil
		if err := w.putRecord(key, intent.Record, news); err != nil {
			return err
		}
		// What is no news is not noted, so that readers who ask again and
		// again don't make each other's answers stale.
		if news {
			if err := w.noteRecorded(key, intent); err != nil {
				return err
			}
		}
	}
	switch {
	case over:
		return w.end(intent)
	case intent.Kind == index.IntentPush && !intent.Recorded:
		intent.Recorded = true
		return w.putIntent(intent)
	default:
		return nil
	}
}

func (w *writing) settleAbsent(key []byte, intent index.Intent, over bool) error {
	removed := false
	if intent.Kind == index.IntentDelete || intent.Contended {
		var err error
		removed, err = w.removeRecord(key)
		if err != nil {
			return err
		}
	}
	// A delete is noted even where there was no record: one that was read
	// before it must not come now.
	if removed || intent.Kind == index.IntentDelete {
		if err := w.markGone(key); err != nil {
			return err
		}
	}
	if over {
		return w.end(intent)
	}
	return nil
}
