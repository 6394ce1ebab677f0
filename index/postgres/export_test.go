package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// LoseSettings does to the connections that a store has what a pooler does that
// gives each transaction to another.
func LoseSettings(ctx context.Context, s *Store) error {
	for _, conn := range s.pool.AcquireAllIdle(ctx) {
		_, err := conn.Conn().PgConn().Exec(ctx, `RESET ALL`).ReadAll()
		conn.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Shared tells whether a store takes its sessions for shared ones.
func Shared(s *Store) bool { return s.pool.shared.Load() }

// RenewIn returns when a lease that lasts for so long still is renewed.
func RenewIn(left time.Duration) time.Duration { return renewIn(left) }

// LeaseLocks is how many leases are taken at once.
const LeaseLocks = leaseLocks

// Typed tells whether a store knows that the index of types is there.
func Typed(s *Store) bool { return s.typed.Load() }

// ExplainTyped returns the plan by which the referrers of a subject are found that have
// one of some types.
func ExplainTyped(ctx context.Context, s *Store, repository string, subject digest.Digest, types ...string) (string, error) {
	key, err := manifestKey(repository, subject)
	if err != nil {
		return "", err
	}
	l, err := newList(index.Query{ArtifactTypes: types, Limit: 10}, repository, []byte(key.about))
	if err != nil {
		return "", err
	}
	if err := l.goByTypes(ctx, s.pool); err != nil {
		return "", err
	}
	sql, args := l.statement(l.firstStep())
	rows, err := s.pool.Query(ctx, "EXPLAIN "+sql, args...)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}
