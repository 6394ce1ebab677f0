package bolt

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
)

// Begin implements [index.Store].
func (s *Store) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	intent.Contended, intent.Recorded = false, false
	if err := checkIntent(intent); err != nil {
		return 0, err
	}
	var id index.IntentID
	err := s.change(ctx, func(w *writing) error {
		var err error
		id, err = w.begin(intent)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("begin %s in %s: %w", intent.Kind, intent.Record.Repository, err)
	}
	return id, nil
}

func checkIntent(intent index.Intent) error {
	if err := checkName("repository", intent.Record.Repository); err != nil {
		return err
	}
	switch intent.Kind {
	case index.IntentPush, index.IntentDelete:
		_, err := checkRecord(intent.Record)
		return err
	case index.IntentImport:
		return checkName("tag", intent.Tag)
	default:
		return fmt.Errorf("%w: intent of kind %d", index.ErrInvalid, intent.Kind)
	}
}

func (w *writing) begin(intent index.Intent) (index.IntentID, error) {
	sequence, err := w.intents.NextSequence()
	if err != nil {
		return 0, err
	}
	intent.ID = index.IntentID(sequence)
	if intent.Kind != index.IntentImport {
		key, err := intentKey(intent)
		if err != nil {
			return 0, err
		}
		opposites, err := w.openIntents(key, opposite(intent.Kind))
		if err != nil {
			return 0, err
		}
		for _, other := range opposites {
			intent.Contended = true
			if err := w.contend(other); err != nil {
				return 0, err
			}
		}
		if intent.Kind == index.IntentDelete {
			if err := w.markGone(key); err != nil {
				return 0, err
			}
		}
	}
	return intent.ID, w.putIntent(intent)
}

func opposite(kind index.IntentKind) index.IntentKind {
	if kind == index.IntentDelete {
		return index.IntentPush
	}
	return index.IntentDelete
}

// contend marks an open intent, unless it is marked already.
func (w *writing) contend(id index.IntentID) error {
	intent, err := w.intent(id)
	if err != nil || intent == nil || intent.Contended {
		return err
	}
	intent.Contended = true
	return w.putIntent(*intent)
}

// Confirm implements [index.Store].
func (s *Store) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.change(ctx, confirmation(id, at)))
}

// ConfirmLater implements [index.LateConfirmer]. It waits for up to patience.
func (s *Store) ConfirmLater(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.changeLater(ctx, confirmation(id, at)))
}

func confirmation(id index.IntentID, at time.Time) func(*writing) error {
	return func(w *writing) error {
		intent, err := w.intent(id)
		if err != nil || intent == nil {
			return err
		}
		return w.confirm(*intent, at)
	}
}

func confirmError(id index.IntentID, err error) error {
	if err != nil {
		return fmt.Errorf("confirm intent %d: %w", id, err)
	}
	return nil
}

func (w *writing) confirm(intent index.Intent, at time.Time) error {
	if intent.Kind == index.IntentImport {
		return w.end(intent)
	}
	key, err := intentKey(intent)
	if err != nil {
		return err
	}
	if intent.Kind == index.IntentDelete {
		if err := w.markGone(key); err != nil {
			return err
		}
	}
	switch {
	case intent.Contended:
		// The request is over, but which of the two came last is to be asked.
		intent.Deadline = at
		return w.putIntent(intent)
	case intent.Kind == index.IntentDelete:
		_, err = w.removeRecord(key)
	default:
		if err = w.putRecord(key, intent.Record, true); err == nil {
			err = w.noteRecorded(key, intent)
		}
	}
	if err != nil {
		return err
	}
	return w.end(intent)
}

// noteRecorded notes that a push was recorded, where somebody may still find
// that it is absent.
func (w *writing) noteRecorded(key []byte, intent index.Intent) error {
	if intent.Contended || w.anyOpen(key, intent.ID) {
		return w.markCame(key)
	}
	return nil
}

// Cancel implements [index.Store].
func (s *Store) Cancel(ctx context.Context, id index.IntentID) error {
	err := s.change(ctx, func(w *writing) error {
		intent, err := w.intent(id)
		if err != nil || intent == nil {
			return err
		}
		return w.end(*intent)
	})
	if err != nil {
		return fmt.Errorf("cancel intent %d: %w", id, err)
	}
	return nil
}
