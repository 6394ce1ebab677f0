package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

var _ index.WriteChecker = (*Store)(nil)

// CheckWrites implements [index.WriteChecker].
func (s *Store) CheckWrites(ctx context.Context) error {
	err := s.change(&change{ctx: ctx, apply: func(*writing) error { return nil }})
	if err != nil {
		return fmt.Errorf("write to the index: %w", err)
	}
	return nil
}
