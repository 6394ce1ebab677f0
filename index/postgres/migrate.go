package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
)

// formatVersion is the newest format of tables that this version can use: see
// doc.go.
const formatVersion = 1

// files are the statements of the steps, and of the table of their notes.
//
//go:embed steps/*.sql
var files embed.FS

// notesFile makes the table of the notes.
const notesFile = "steps/notes.sql"

// step is a change of the tables. Its statements have to be done in a moment,
// and leave what a version of before, which runs at the same time, can use.
type step struct {
	number int
	// name says what it makes, and is a part of the name of its file.
	name string
	// table is one that it makes: where that is there without a note of the
	// step, a version that noted none has made the step.
	table string
}

// file returns the name of the file that has the statements.
func (s step) file() string {
	return fmt.Sprintf("steps/%04d_%s.sql", s.number, s.name)
}

// steps are in the order in which they are made. Each version has those of the
// ones before it; a step that was released is not changed any more.
func steps() []step {
	return []step{
		{1, "schema", "meta"},
		{2, "served", "served"},
		{3, "unheld", "unheld"},
		{4, "leases", "leases"},
		{5, "made", "made"},
		{6, "journal", "journal"},
		{7, "removals", "removals"},
		{8, "news", "news"},
		{9, "touches", "touches"},
		{10, "types", ""},
	}
}

// migrate brings the schema to where the store may use it, and tells the
// operator of one that was there. One process at a time does so; the others,
// and all who write, wait for it.
func (s *Store) migrate(ctx context.Context, told func(index.Migration) error) error {
	if done, err := s.migrated(ctx); err != nil || done {
		return err
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return s.failure(ctx, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, lockSQL, s.lockKey(lockWriting)); err != nil {
		return s.failure(ctx, err)
	}
	made, noted, err := s.stepsMade(ctx, tx)
	if err != nil {
		return err
	}
	m, changed := index.Migration{Done: true}, false
	for _, next := range steps() {
		if slices.Contains(made, next.number) {
			m.From = next.number
		} else if err := s.run(ctx, tx, next.file()); err != nil {
			return s.failure(ctx, fmt.Errorf("make tables: %s: %w", next.name, err))
		}
		m.To = next.number
		if slices.Contains(noted, next.number) {
			continue
		}
		changed = true
		if _, err := tx.Exec(ctx, `INSERT INTO steps (step) VALUES ($1)`, next.number); err != nil {
			return s.failure(ctx, err)
		}
	}
	if !changed {
		return nil
	}
	if err := s.commitTx(ctx, tx); err != nil {
		return s.failure(ctx, err)
	}
	if m.From > 0 && m.From < m.To {
		return told(m)
	}
	return nil
}

// migrated tells whether all steps are made and noted. It waits for nobody:
// who writes may be waiting for a standby.
func (s *Store) migrated(ctx context.Context) (done bool, err error) {
	err = s.transaction(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, table := range []string{"meta", "steps"} {
			if there, err := s.hasTable(ctx, tx, table); err != nil || !there {
				return err
			}
		}
		if err := s.checkSchema(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT step FROM steps`)
		if err != nil {
			return err
		}
		noted, err := pgx.CollectRows(rows, pgx.RowTo[int])
		done = !slices.ContainsFunc(steps(), func(each step) bool { return !slices.Contains(noted, each.number) })
		return err
	})
	return done && err == nil, s.failure(ctx, err)
}

// run runs the statements of a file.
func (s *Store) run(ctx context.Context, tx pgx.Tx, file string) error {
	statements, err := files.ReadFile(file)
	if err != nil {
		return err
	}
	// The multiple statements of a file need the simple protocol.
	_, err = tx.Conn().PgConn().Exec(ctx, string(statements)).ReadAll()
	return err
}

// stepsMade returns the steps that were made, and those of them that were noted
// as such, by versions that do that. Where there is no schema, or no note, it
// makes the place for them. A schema that this version can't use is
// [index.ErrFormat], and is left alone.
func (s *Store) stepsMade(ctx context.Context, tx pgx.Tx) (made, noted []int, err error) {
	schema := pgx.Identifier{s.schema}.Sanitize()
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, schema).Scan(&exists); err != nil {
		return nil, nil, s.failure(ctx, err)
	}
	if !exists {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA `+schema); err != nil {
			return nil, nil, s.failure(ctx, err)
		}
	}
	for _, step := range steps() {
		there, err := s.hasTable(ctx, tx, step.table)
		if err != nil {
			return nil, nil, err
		}
		if there {
			made = append(made, step.number)
		}
	}
	if slices.Contains(made, 1) {
		if err := s.checkSchema(ctx, tx); err != nil {
			return nil, nil, err
		}
	}
	notes, err := s.hasTable(ctx, tx, "steps")
	if err != nil {
		return nil, nil, err
	}
	if !notes {
		return made, nil, s.failure(ctx, s.run(ctx, tx, notesFile))
	}
	rows, err := tx.Query(ctx, `SELECT step FROM steps ORDER BY step`)
	if err == nil {
		noted, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if err != nil {
		return nil, nil, s.failure(ctx, err)
	}
	return append(made, noted...), noted, nil
}

func (s *Store) hasTable(ctx context.Context, tx pgx.Tx, table string) (there bool, err error) {
	if table == "" {
		return false, nil
	}
	err = tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, pgx.Identifier{s.schema, table}.Sanitize()).Scan(&there)
	return there, s.failure(ctx, err)
}

// checkSchema reads what a version has to know at least.
func (s *Store) checkSchema(ctx context.Context, tx pgx.Tx) error {
	var format int
	switch err := tx.QueryRow(ctx, `SELECT format FROM meta`).Scan(&format); {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: schema %s has no format", index.ErrDamaged, s.schema)
	case err != nil:
		return s.failure(ctx, err)
	}
	return checkFormat(format)
}

// checkFormat is asked with each change too, so that a version that the tables
// have left behind ends to write.
func checkFormat(format int) error {
	if format < 1 || format > formatVersion {
		return fmt.Errorf("%w: version %d, this program knows 1 to %d", index.ErrFormat, format, formatVersion)
	}
	return nil
}
