package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

// Correct implements [index.Maintainer].
func (s *Store) Correct(ctx context.Context, mark index.Mark, record index.Record) error {
	key, err := checkRecord(record)
	if err != nil {
		return err
	}
	err = s.decide(&change{ctx: ctx, about: []matterKey{key}, apply: func(w *writing) error {
		return w.matters[key].Correct(mark, record)
	}})
	if err != nil {
		return fmt.Errorf("correct %s of %s: %w", record.Digest, record.Repository, err)
	}
	return nil
}
