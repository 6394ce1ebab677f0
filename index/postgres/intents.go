package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

// Begin implements [index.Store].
func (s *Store) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	key, err := checkIntent(intent)
	if err != nil {
		return 0, err
	}
	var id index.IntentID
	err = s.decide(&change{ctx: ctx, about: []matterKey{key}, begins: 1, apply: func(w *writing) error {
		id = w.takeID()
		intent.ID = id
		return w.matters[key].Begin(intent)
	}})
	if err != nil {
		return 0, fmt.Errorf("begin %s in %s: %w", intent.Kind, intent.Record.Repository, err)
	}
	return id, nil
}

func checkIntent(intent index.Intent) (matterKey, error) {
	if err := intent.CheckRemovals(); err != nil {
		return matterKey{}, err
	}
	if _, err := replacedText(intent); err != nil {
		return matterKey{}, err
	}
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

// onIntent is the change that a rule makes of the matter of an open intent. An
// intent that has ended is left alone.
func onIntent(ctx context.Context, id index.IntentID, rule func(*ledger.Matter) error) *change {
	return &change{ctx: ctx, intents: []index.IntentID{id}, apply: func(w *writing) error {
		m := w.open[id]
		if m == nil {
			return nil
		}
		if err := rule(&m.Matter); err != nil {
			return err
		}
		return w.takeReplaced(&m.Matter)
	}}
}

// Confirm implements [index.Store].
func (s *Store) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.change(confirmation(ctx, id, at)))
}

// ConfirmLater implements [index.LateConfirmer]. It waits for up to commit.Patience.
func (s *Store) ConfirmLater(ctx context.Context, id index.IntentID, at time.Time) error {
	c := confirmation(ctx, id, at)
	c.patient = true
	return confirmError(id, s.change(c))
}

func confirmation(ctx context.Context, id index.IntentID, at time.Time) *change {
	return onIntent(ctx, id, func(m *ledger.Matter) error { return m.Confirm(id, at) })
}

func confirmError(id index.IntentID, err error) error {
	if err != nil {
		return fmt.Errorf("confirm intent %d: %w", id, err)
	}
	return nil
}

// Cancel implements [index.Store].
func (s *Store) Cancel(ctx context.Context, id index.IntentID) error {
	err := s.change(onIntent(ctx, id, func(m *ledger.Matter) error { return m.Cancel(id) }))
	if err != nil {
		return fmt.Errorf("cancel intent %d: %w", id, err)
	}
	return nil
}
