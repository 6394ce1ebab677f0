package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// selectSize adds up the sizes of the tables, with their indexes.
const selectSize = `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
	WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r'`

// selectStats counts all rows, of which those of the live generation are found
// by their repositories.
const selectStats = `SELECT
	(SELECT count(*) FROM repositories r, meta WHERE r.generation = meta.live AND EXISTS (SELECT 1 FROM manifests m WHERE m.repository = r.id)),
	(SELECT count(*) FROM repositories r, meta, manifests m WHERE r.generation = meta.live AND m.repository = r.id),
	(SELECT count(*) FROM repositories r, meta, manifests m WHERE r.generation = meta.live AND m.repository = r.id AND m.subject IS NOT NULL),
	(SELECT count(*) FROM repositories r, meta, manifests m, unheld u WHERE r.generation = meta.live AND m.repository = r.id
		AND u.repository = r.name AND u.digest = m.digest),
	(SELECT count(*) FROM repositories r, meta, parents p WHERE r.generation = meta.live AND p.repository = r.id),
	(SELECT count(*) FROM intents),
	(SELECT count(*) FROM removals),
	(` + selectSize + `),
	(SELECT CASE WHEN meta.building = 0 THEN -1 ELSE
		(SELECT count(*) FROM repositories r JOIN manifests m ON m.repository = r.id WHERE r.generation = meta.building) END FROM meta)`

// Stats implements [index.Maintainer]. It looks at all rows, for which it has
// no bound of time but its context's.
func (s *Store) Stats(ctx context.Context) (index.Stats, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return index.Stats{}, index.ErrClosed
	}
	var stats index.Stats
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		edges := int64(0)
		err := tx.QueryRow(ctx, selectStats, pgx.Identifier{s.schema}.Sanitize()).Scan(
			&stats.Repositories, &stats.Records, &stats.Referrers, &stats.Unheld, &edges, &stats.Intents, &stats.Removals, &stats.Bytes, &stats.Rebuilding)
		// The edge to its subject is in the row of a record.
		stats.Edges = edges + stats.Referrers
		return err
	})
	if err := s.failure(ctx, err); err != nil {
		return index.Stats{}, fmt.Errorf("count index: %w", err)
	}
	return stats, nil
}

// Size implements [index.Sizer].
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, selectSize, pgx.Identifier{s.schema}.Sanitize()).Scan(&size)
	})
	if err != nil {
		return 0, fmt.Errorf("size of index: %w", err)
	}
	return size, nil
}
