package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

const (
	// enterNews enters arrivals in their order. The numbers are given under the lock of
	// the writers, and so become visible in their order.
	enterNews = `INSERT INTO news (number, at, repository, digest, record)
		SELECT nextval('news_numbers'), now(), n.repository, n.digest, n.record
		FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS n(repository, digest, record)`
	newsColumns    = `SELECT number, at, repository, digest, record FROM news `
	selectArrivals = newsColumns + `WHERE number > $1 ORDER BY number LIMIT $2`
	selectLatest   = newsColumns + `WHERE number < $1 ORDER BY number DESC LIMIT $2`
	selectLatestOf = newsColumns + `WHERE repository = $3 AND number < $1 ORDER BY number DESC LIMIT $2`
	trimNews       = `DELETE FROM news WHERE number IN (SELECT number FROM news WHERE number <= $1 ORDER BY number LIMIT $2)`
)

// SetNews implements [index.News].
func (s *Store) SetNews(ctx context.Context, on bool) error {
	err := s.alone(ctx, func(ctx context.Context, tx pgx.Tx, now state) error {
		if now.news == on {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE meta SET news = $1`, on); err != nil || on {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM news`)
		return err
	})
	if err != nil {
		return fmt.Errorf("set news: %w", err)
	}
	return nil
}

// saveArrived enters what has arrived, where the news are on.
func (w *writing) saveArrived(batch *pgx.Batch) error {
	if !w.news || len(w.ledger.Arrived) == 0 {
		return nil
	}
	var names []string
	var digests, values [][]byte
	for _, record := range w.ledger.Arrived {
		r, err := encodeRow(record)
		if err != nil {
			return err
		}
		var e encoder
		e.Bytes(r.subject)
		e.Bytes(r.artifactType)
		e.Bytes(r.shown)
		e.Bytes(r.kept)
		if e.Err != nil {
			return e.Err
		}
		names, digests, values = append(names, record.Repository), append(digests, r.digest), append(values, e.B)
	}
	batch.Queue(enterNews, names, digests, values)
	return nil
}

// listNews lists arrivals by a statement.
func (s *Store) listNews(ctx context.Context, statement string, args ...any) (arrivals []index.Arrival, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		arrivals, err = pgx.CollectRows(rows, func(from pgx.CollectableRow) (a index.Arrival, err error) {
			var repository string
			var manifest, value []byte
			if err := from.Scan(&a.Number, &a.At, &repository, &manifest, &value); err != nil {
				return a, err
			}
			d := decoder{packed.Decoder{B: value}}
			r := row{digest: manifest, subject: d.Bytes(), artifactType: d.Bytes(), shown: d.Bytes(), kept: d.Bytes()}
			if err := d.End("arrival"); err != nil {
				return a, err
			}
			a.At = a.At.UTC()
			a.Record, err = r.record(repository)
			return a, err
		})
		return err
	})
	return arrivals, err
}

// Arrivals implements [index.News].
func (s *Store) Arrivals(ctx context.Context, after uint64, limit int) ([]index.Arrival, error) {
	arrivals, err := s.listNews(ctx, selectArrivals, min(after, math.MaxInt64), most(limit))
	if err != nil {
		return nil, fmt.Errorf("list news: %w", err)
	}
	return arrivals, nil
}

// Latest implements [index.News].
func (s *Store) Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	statement, args := selectLatest, []any{before, most(limit)}
	if repository != "" {
		if err := checkName("repository", repository); err != nil {
			return nil, err
		}
		statement, args = selectLatestOf, append(args, repository)
	}
	arrivals, err := s.listNews(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("list the latest news: %w", err)
	}
	return arrivals, nil
}

// CountNews implements [index.News].
func (s *Store) CountNews(ctx context.Context) (n int, err error) {
	err = s.read(ctx, func(ctx context.Context) error { return s.pool.QueryRow(ctx, `SELECT count(*) FROM news`).Scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("count news: %w", err)
	}
	return n, nil
}

// TrimNews implements [index.News].
func (s *Store) TrimNews(ctx context.Context, through uint64, limit int) (dropped int, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, trimNews, min(through, math.MaxInt64), most(limit))
		dropped = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("trim news: %w", err)
	}
	return dropped, nil
}
