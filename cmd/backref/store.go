package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/measure"
	"github.com/backref/backref/index/postgres"
)

// openStore opens the index that the configuration names. What an operator ought
// to know of a database goes to the log.
func openStore(ctx context.Context, cfg config.Index, log *zap.Logger, traces tracing) (index.Maintainer, error) {
	if cfg.Postgres.URL == "" {
		return openFile(ctx, cfg, log, nil)
	}
	return openDatabase(ctx, cfg, log, traces, nil, nil)
}

// openMeasured is openStore for a store that is measured from its opening on.
func openMeasured(ctx context.Context, cfg config.Index, log *zap.Logger, traces tracing, registry *prometheus.Registry) (measuredStore, error) {
	metrics := measure.NewMetrics(registry)
	if cfg.Postgres.URL == "" {
		store, err := openFile(ctx, cfg, log, metrics.Attempted)
		if err != nil {
			return nil, err
		}
		return measuredFile{measure.New(store, metrics), file{store}}, nil
	}
	store, err := openDatabase(ctx, cfg, log, traces, metrics.Attempted, registry)
	if err != nil {
		return nil, err
	}
	return measuredDatabase{measure.New(store, metrics), database{store}}, nil
}

// measuredStore is a store as the server has it.
type measuredStore interface {
	index.Maintainer
	index.Sizer
}

// measuredFile and measuredDatabase are stores whose calls are measured, with all
// that they can do beside: methods that lie deeper are hidden by those that are
// measured.
type (
	measuredFile struct {
		*measure.Store
		file
	}
	measuredDatabase struct {
		*measure.Store
		database
	}
	file     struct{ *bolt.Store }
	database struct{ *postgres.Store }
)

func openFile(ctx context.Context, cfg config.Index, log *zap.Logger, attempted func(int, error)) (*bolt.Store, error) {
	store, err := bolt.Open(cfg.Path, bolt.Options{Migrating: tellMigration(ctx, log), Attempted: attempted})
	if err != nil {
		return nil, openError(cfg.Path, err)
	}
	return store, nil
}

func openDatabase(
	ctx context.Context, cfg config.Index, log *zap.Logger, traces tracing, attempted func(int, error), metrics prometheus.Registerer,
) (*postgres.Store, error) {
	password, err := cfg.Postgres.ReadPassword()
	if err != nil {
		return nil, err
	}
	store, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Postgres.URL, Password: password, Schema: cfg.Postgres.Schema,
		Connections: cfg.Postgres.Connections, Timeout: cfg.Postgres.Timeout,
		Durability: postgres.Durability(cfg.Postgres.Durability), Say: func(text string) { log.Warn(text) },
		Migrating: tellMigration(ctx, log), Tracing: traces.tracers(), Attempted: attempted, Metrics: metrics,
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
