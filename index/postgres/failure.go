package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// failure is what becomes of an error of the database: the caller's own
// context, damage, or an index that can't be used just now. What the database
// did in time and what it didn't is not the caller's deadline, so that no such
// error shows through.
func (s *Store) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, known := range []error{
		index.ErrNotFound, index.ErrFormat, index.ErrDamaged, index.ErrInUse, index.ErrInvalid,
		index.ErrStale, index.ErrNoRebuild, index.ErrClosed,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return &unusableError{text: err.Error()}
	}
	switch refused.Code {
	case codeDataCorrupted, codeIndexCorrupted, codeNoColumn:
		return fmt.Errorf("%w: %w", index.ErrDamaged, err)
	case codeNoSchema, codeNoTable:
		return s.missing(ctx, err)
	case codeNoStatement, codeStatementTwice:
		return s.lostSession(err)
	default:
		return &unusableError{text: err.Error()}
	}
}

// The codes of PostgreSQL that may mean damage. Those of its class XX that are
// not among them are of poolers too, and pass.
const (
	codeDataCorrupted  = "XX001"
	codeIndexCorrupted = "XX002"
	codeNoSchema       = "3F000"
	codeNoTable        = "42P01"
	codeNoColumn       = "42703"
	// A statement that was prepared is gone, or one that wasn't is there.
	codeNoStatement    = "26000"
	codeStatementTwice = "42P05"
)

// missingTimeout bounds the question whether the tables are there.
const missingTimeout = time.Second

// missing tells what it means that a table was not found: that it is gone, or
// that a pooler has given the session to others, with what it was set to.
func (s *Store) missing(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, missingTimeout)
	defer cancel()
	tables := []string{
		"meta", "checkpoints", "repositories", "manifests", "parents", "intents", "history", "touches", "changes", "outbox", "news", "passes",
		"served", "unheld", "made", "journal", "removals", "leases", "steps",
	}
	for i, table := range tables {
		tables[i] = pgx.Identifier{s.schema, table}.Sanitize()
	}
	var gone int
	asked := s.pool.QueryRow(ctx, `SELECT count(*) FROM unnest($1::text[]) AS t(name) WHERE to_regclass(name) IS NULL`, tables).Scan(&gone)
	switch {
	case asked != nil:
		return &unusableError{text: err.Error()}
	case gone > 0:
		return fmt.Errorf("%w: %w", index.ErrDamaged, err)
	default:
		return s.lostSession(err)
	}
}

// lostSession says that a session was another's meanwhile, and has what comes
// next sent so that it does not matter.
func (s *Store) lostSession(err error) error {
	s.pool.share()
	return &unusableError{text: err.Error() + ": the connection has lost its session, as a pooler that gives each transaction another one makes it; " +
		"from now on every transaction brings its settings along"}
}

// unusableError says that the database can't be used just now.
type unusableError struct{ text string }

func (e *unusableError) Error() string { return "database: " + e.text }
