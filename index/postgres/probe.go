package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errChanged means that what is read is not what was written, so that it could
// not be told from damage.
var errChanged = errors.New("values don't come back from the database as they were sent")

// probe sends values of the kinds that the store keeps to the database and
// back. How they go is set by the URL (default_query_exec_mode), by the
// database, and by what is in front of it.
func (s *Store) probe(ctx context.Context) error {
	err := s.probeSessions(ctx)
	if err != nil {
		return err
	}
	if err = s.probeBytes(ctx); err == nil {
		err = s.probeLists(ctx)
	}
	mode := s.pool.Config().ConnConfig.DefaultQueryExecMode
	if err == nil || s.pool.shared.Load() || mode == pgx.QueryExecModeCacheStatement || !refusesMode(err) {
		return s.failure(ctx, err)
	}
	return fmt.Errorf("index.postgres.url: default_query_exec_mode can't be that of %q here, leave it out or give cache_describe: %w", mode, err)
}

// refusesMode tells whether an error is about the form of values, and not about
// the connection.
func refusesMode(err error) bool {
	var refused *pgconn.PgError
	var scan pgx.ScanArgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "22") || strings.HasPrefix(refused.Code, "42")
	}
	return errors.Is(err, errChanged) || errors.As(err, &scan)
}

// probeBytes reads values as listings do.
func (s *Store) probeBytes(ctx context.Context) error {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	sent := [][]byte{all, {}, []byte(`\x00`)}
	rows, err := s.pool.Query(ctx, `SELECT b FROM unnest($1::bytea[]) AS u(b)`, sent)
	if err != nil {
		return err
	}
	defer rows.Close()
	var got [][]byte
	for rows.Next() {
		values, err := columns(rows)
		if err != nil {
			return err
		}
		got = append(got, bytes.Clone(values[0]))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !slices.EqualFunc(got, sent, bytes.Equal) {
		return errChanged
	}
	return nil
}

// probeLists reads the other kinds.
func (s *Store) probeLists(ctx context.Context) error {
	numbers, names := []int64{-1, 1 << 62}, []string{`a"b\c,{}`, "ä", ""}
	var gotNumbers []int64
	var gotNames []string
	if err := s.pool.QueryRow(ctx, `SELECT $1::bigint[], $2::text[]`, numbers, names).Scan(&gotNumbers, &gotNames); err != nil {
		return err
	}
	if !slices.Equal(gotNumbers, numbers) || !slices.Equal(gotNames, names) {
		return errChanged
	}
	return nil
}
