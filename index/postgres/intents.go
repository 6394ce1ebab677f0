package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
)

// Begin implements [index.Store].
func (s *Store) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	intent.Contended, intent.Recorded = false, false
	key, err := checkIntent(intent)
	if err != nil {
		return 0, err
	}
	var id index.IntentID
	err = s.change(&change{ctx: ctx, about: []matterKey{key}, begins: 1, apply: func(w *writing) error {
		id = w.begin(w.matters[key], intent)
		return nil
	}})
	if err != nil {
		return 0, fmt.Errorf("begin %s in %s: %w", intent.Kind, intent.Record.Repository, err)
	}
	return id, nil
}

func checkIntent(intent index.Intent) (matterKey, error) {
	switch intent.Kind {
	case index.IntentPush, index.IntentDelete:
		key, err := intentKey(intent)
		if err == nil {
			_, err = encodeRow(intent.Record)
		}
		return key, err
	case index.IntentImport:
		return intentKey(intent)
	default:
		return matterKey{}, fmt.Errorf("%w: intent of kind %d", index.ErrInvalid, intent.Kind)
	}
}

func (w *writing) begin(m *matter, intent index.Intent) index.IntentID {
	intent.ID, w.ids = w.ids[0], w.ids[1:]
	open := &openIntent{Intent: intent, matter: m, changed: true}
	if intent.Kind != index.IntentImport {
		for _, other := range m.openOf(opposite(intent.Kind)) {
			open.Contended = true
			other.changed = other.changed || !other.Contended
			other.Contended = true
		}
		if intent.Kind == index.IntentDelete {
			w.markGone(m)
		}
	}
	w.open[intent.ID] = open
	m.intents = append(m.intents, open)
	return intent.ID
}

func opposite(kind index.IntentKind) index.IntentKind {
	if kind == index.IntentDelete {
		return index.IntentPush
	}
	return index.IntentDelete
}

// onIntent makes a change of an open intent. One that has ended is left alone.
func (s *Store) onIntent(ctx context.Context, id index.IntentID, apply func(w *writing, intent *openIntent) error) error {
	return s.change(intentChange(ctx, id, apply))
}

func intentChange(ctx context.Context, id index.IntentID, apply func(w *writing, intent *openIntent) error) *change {
	return &change{ctx: ctx, intents: []index.IntentID{id}, apply: func(w *writing) error {
		if intent := w.intent(id); intent != nil {
			return apply(w, intent)
		}
		return nil
	}}
}

// Confirm implements [index.Store].
func (s *Store) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.change(confirmation(ctx, id, at)))
}

// ConfirmLater implements [index.LateConfirmer]. It waits for up to patience.
func (s *Store) ConfirmLater(ctx context.Context, id index.IntentID, at time.Time) error {
	c := confirmation(ctx, id, at)
	c.patient = true
	return confirmError(id, s.change(c))
}

func confirmation(ctx context.Context, id index.IntentID, at time.Time) *change {
	return intentChange(ctx, id, func(w *writing, intent *openIntent) error { return w.confirm(intent, at) })
}

func confirmError(id index.IntentID, err error) error {
	if err != nil {
		return fmt.Errorf("confirm intent %d: %w", id, err)
	}
	return nil
}

func (w *writing) confirm(intent *openIntent, at time.Time) error {
	m := intent.matter
	if intent.Kind == index.IntentDelete {
		w.markGone(m)
	}
	switch {
	case intent.Kind == index.IntentImport:
	case intent.Contended:
		// The request is over, but which of the two came last is to be asked.
		intent.Deadline, intent.changed = at, true
		return nil
	case intent.Kind == index.IntentDelete:
		w.removeRecord(m)
	default:
		if err := w.putRecord(m, intent.Record, true); err != nil {
			return err
		}
		w.noteRecorded(intent)
	}
	intent.ended = true
	return nil
}

// noteRecorded notes that a push was recorded, where somebody may still find
// that it is absent.
func (w *writing) noteRecorded(intent *openIntent) {
	if intent.Contended || intent.matter.anyOpen(intent) {
		w.markCame(intent.matter)
	}
}

// Cancel implements [index.Store].
func (s *Store) Cancel(ctx context.Context, id index.IntentID) error {
	err := s.onIntent(ctx, id, func(_ *writing, intent *openIntent) error {
		intent.ended = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("cancel intent %d: %w", id, err)
	}
	return nil
}
