package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

// Settle implements [index.Store].
func (s *Store) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	err := s.decide(onIntent(ctx, id, func(m *ledger.Matter) error { return m.Settle(id, finding) }))
	if err != nil {
		return fmt.Errorf("settle intent %d: %w", id, err)
	}
	return nil
}
