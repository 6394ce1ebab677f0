package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// begin begins the transaction of what is written.
const begin = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`

// queueBegin queues what begins a transaction.
func (s *sessions) queueBegin(batch *pgx.Batch) {
	batch.Queue(begin)
	if s.shared.Load() {
		batch.Queue(s.local)
	}
}

// Query asks one question. Where sessions are shared, the settings go before
// it: what is sent at once is one transaction, which has one session.
func (s *sessions) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if !s.shared.Load() {
		return s.Pool.Query(ctx, sql, args...)
	}
	var batch pgx.Batch
	batch.Queue(s.local)
	batch.Queue(sql, args...)
	results := s.Pool.SendBatch(ctx, &batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close()
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	return &sharedRows{Rows: rows, results: results}, nil
}

// QueryRow asks for one row.
func (s *sessions) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if !s.shared.Load() {
		return s.Pool.QueryRow(ctx, sql, args...)
	}
	rows, err := s.Query(ctx, sql, args...)
	return sharedRow{rows, err}
}

// Exec makes one change.
func (s *sessions) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if !s.shared.Load() {
		return s.Pool.Exec(ctx, sql, args...)
	}
	var batch pgx.Batch
	batch.Queue(sql, args...).Exec(func(done pgconn.CommandTag) error {
		tag = done
		return nil
	})
	err = s.SendBatch(ctx, &batch).Close()
	return tag, err
}

// SendBatch sends statements that are one transaction. Its results can only be
// closed, which hands them to whoever was queued for them.
func (s *sessions) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	return s.Pool.SendBatch(ctx, s.complete(batch))
}

// complete returns statements that are one transaction as a connection is sent
// them.
func (s *sessions) complete(batch *pgx.Batch) *pgx.Batch {
	if !s.shared.Load() {
		return batch
	}
	var complete pgx.Batch
	s.queueBegin(&complete)
	complete.QueuedQueries = append(complete.QueuedQueries, batch.QueuedQueries...)
	complete.Queue(`COMMIT`)
	return &complete
}

// Begin begins a transaction of several round trips.
func (s *sessions) Begin(ctx context.Context) (pgx.Tx, error) {
	return s.BeginTx(ctx, pgx.TxOptions{})
}

// BeginTx begins one that is read-only, where the options say so.
func (s *sessions) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	return s.Pool.BeginTx(ctx, s.transaction(opts))
}

// transaction returns the options of a transaction that has its settings.
func (s *sessions) transaction(opts pgx.TxOptions) pgx.TxOptions {
	if !s.shared.Load() {
		return opts
	}
	opts.BeginQuery = begin + "; " + s.local
	if opts.AccessMode == pgx.ReadOnly {
		opts.BeginQuery = strings.Replace(opts.BeginQuery, "READ WRITE", "READ ONLY", 1)
	}
	return opts
}

// sharedRows give their connection back when they end.
type sharedRows struct {
	pgx.Rows
	results pgx.BatchResults
	closed  error
}

func (r *sharedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *sharedRows) Close() {
	r.Rows.Close()
	if r.results != nil {
		r.closed = r.results.Close()
		r.results = nil
	}
}

func (r *sharedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.closed
}

// sharedRow is the first of the rows, or why there are none.
type sharedRow struct {
	rows pgx.Rows
	err  error
}

func (r sharedRow) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
