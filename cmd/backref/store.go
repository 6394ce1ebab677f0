package main

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/postgres"
)

// openStore opens the index that the configuration names. What an operator ought
// to know of a database goes to the log.
func openStore(ctx context.Context, cfg config.Index, log *zap.Logger, traces tracing) (index.Maintainer, error) {
	migrating := tellMigration(ctx, log)
	if cfg.Postgres.URL == "" {
		store, err := bolt.Open(cfg.Path, bolt.Options{Migrating: migrating})
		if err != nil {
			return nil, openError(cfg.Path, err)
		}
		return store, nil
	}
	password, err := cfg.Postgres.ReadPassword()
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Postgres.URL, Password: password, Schema: cfg.Postgres.Schema,
		Connections: cfg.Postgres.Connections, Timeout: cfg.Postgres.Timeout,
		Durability: postgres.Durability(cfg.Postgres.Durability), Say: func(text string) { log.Warn(text) },
		Migrating: migrating, Tracing: traces.tracers(),
	})
	switch {
	case errors.Is(err, index.ErrFormat):
		return nil, fmt.Errorf("%w: run the later version of backref that made schema %s, or give another by index.postgres.schema and run backref index rebuild", err, cfg.Postgres.Schema)
	case errors.Is(err, index.ErrDamaged):
		return nil, fmt.Errorf("%w: restore schema %s from a backup, or give another by index.postgres.schema to begin with an empty index", err, cfg.Postgres.Schema)
	case err != nil:
		return nil, err
	}
	return store, nil
}

// openError says what the operator can do about a file that can't be opened.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, index.ErrInUse):
		return fmt.Errorf("%w: stop the server that uses %s, or give another file by --index", err, path)
	case errors.Is(err, index.ErrFormat):
		return fmt.Errorf("%w: run the later version of backref that wrote %s, or move it away and run backref index rebuild", err, path)
	case errors.Is(err, index.ErrDamaged):
		return fmt.Errorf("%w: restore %s from a backup, or move it away to begin with an empty index", err, path)
	default:
		return err
	}
}

// storeName says where the index is, for the log.
func storeName(cfg config.Index) string {
	if cfg.Postgres.URL == "" {
		return cfg.Path
	}
	return "postgres schema " + cfg.Postgres.Schema
}
