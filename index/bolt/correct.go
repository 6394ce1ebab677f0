package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

// Correct implements [index.Maintainer].
func (s *Store) Correct(ctx context.Context, mark index.Mark, record index.Record) error {
	key, err := checkRecord(record)
	if err != nil {
		return err
	}
	err = s.decide(ctx, func(w *writing) error {
		return w.decide(key, func(m *ledger.Matter) error { return m.Correct(mark, record) })
	})
	if err != nil {
		return fmt.Errorf("correct %s of %s: %w", record.Digest, record.Repository, err)
	}
	return nil
}
