package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/test/rig"
)

// postgresSizeScenario is the name of the scenario of indexes in PostgreSQL.
const postgresSizeScenario = "size/postgres"

func postgresSizeFamily(o sizeOptions) family {
	return family{cases: []string{postgresSizeScenario}, prepare: func(ctx context.Context, s *stage) ([]comparison, error) {
		database, err := s.postgres()
		if err != nil {
			return nil, err
		}
		return prepareSize(ctx, s, o, postgresSizeScenario, database.URL)
	}}
}

// postgres starts a PostgreSQL with its default settings, which waits for its
// disk.
func (s *stage) postgres() (*rig.Postgres, error) {
	database, err := rig.StartPostgres(true)
	if err != nil {
		return nil, err
	}
	s.databases = append(s.databases, database)
	return database, nil
}

// rest does what a database does by itself some time after much was written.
func (f indexFile) rest(ctx context.Context) error {
	if f.Database == "" {
		return nil
	}
	return f.ask(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `VACUUM ANALYZE`)
		return err
	})
}

// size returns what the index takes on its medium, in bytes.
func (f indexFile) size(ctx context.Context) (size int64, err error) {
	if f.Database == "" {
		info, err := os.Stat(f.Path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	err = f.ask(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1 AND c.relkind = 'r'`, filepath.Base(f.Path)).Scan(&size)
	})
	return size, err
}

// ask asks the database of the index.
func (f indexFile) ask(ctx context.Context, question func(conn *pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, f.Database)
	if err != nil {
		return err
	}
	return errors.Join(question(conn), conn.Close(ctx))
}
