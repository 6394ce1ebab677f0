package bolt

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

// Begin implements [index.Store].
func (s *Store) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	if err := checkIntent(intent); err != nil {
		return 0, err
	}
	var id index.IntentID
	err := s.decide(ctx, func(w *writing) error {
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
	if err := intent.CheckRemovals(); err != nil {
		return err
	}
	for _, replaced := range intent.Replaces {
		if _, err := repositoryKey(intent.Record.Repository, replaced); err != nil {
			return err
		}
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
	key, err := aboutKey(intent)
	if err != nil {
		return 0, err
	}
	return intent.ID, w.done(w.matter(key, index.Intent{}).Begin(intent))
}

// Confirm implements [index.Store].
func (s *Store) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.change(ctx, confirmation(id, at)))
}

// ConfirmLater implements [index.LateConfirmer]. It waits for up to commit.Patience.
func (s *Store) ConfirmLater(ctx context.Context, id index.IntentID, at time.Time) error {
	return confirmError(id, s.changeLater(ctx, confirmation(id, at)))
}

func confirmation(id index.IntentID, at time.Time) func(*writing) error {
	return func(w *writing) error {
		return w.onIntent(id, func(m *ledger.Matter) error { return m.Confirm(id, at) })
	}
}

func confirmError(id index.IntentID, err error) error {
	if err != nil {
		return fmt.Errorf("confirm intent %d: %w", id, err)
	}
	return nil
}

// Cancel implements [index.Store].
func (s *Store) Cancel(ctx context.Context, id index.IntentID) error {
	err := s.change(ctx, func(w *writing) error {
		return w.onIntent(id, func(m *ledger.Matter) error { return m.Cancel(id) })
	})
	if err != nil {
		return fmt.Errorf("cancel intent %d: %w", id, err)
	}
	return nil
}
