package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

var _ index.Sharer = (*Store)(nil)

// Hold implements [index.Sharer]. A role is a lease; that of a process that was
// killed is free when it ends.
func (s *Store) Hold(ctx context.Context, role index.Role) (held context.Context, release context.CancelFunc, err error) {
	l := newLease("role "+string(role), 0)
	if err := s.takeNow(ctx, l); err != nil {
		return nil, nil, fmt.Errorf("hold the role %s: %w", role, err)
	}
	held, release = s.holdLease(ctx, l)
	return held, release, nil
}
