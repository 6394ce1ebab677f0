package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/upstream"
)

func newIndex(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Rebuild, compare, export and look at the index",
		Long: "Work on the index. Where a server holds the file, it is asked to do the work\n" +
			"over its admin listener; otherwise the file, or the database, is opened.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newIndexRebuild(environ), newIndexVerify(environ), newIndexStats(environ),
		newIndexExport(environ), newIndexImport(environ), newIndexIntents(environ), newIndexBackup(environ),
	)
	return cmd
}

// maintenance is the index as the commands reach it.
type maintenance interface {
	Rebuild(ctx context.Context, options reconcile.Options, progress func(reconcile.Progress)) (reconcile.Report, error)
	Verify(ctx context.Context, options reconcile.Options, differs func(reconcile.Difference)) (reconcile.Verification, error)
	Prune(ctx context.Context, options reconcile.Options, dryRun bool, each func(reconcile.Pruned)) error
	Hold(ctx context.Context, options reconcile.Options, dryRun bool, each func(reconcile.Held)) error
	Stats(ctx context.Context) (index.Stats, error)
	Export(ctx context.Context, w io.Writer) error
	Import(ctx context.Context, r io.Reader) (int, error)
	Intents(ctx context.Context, w io.Writer) error
	Backup(ctx context.Context, w io.Writer) error
	Close() error
}

// openMaintenance opens the index, or turns to the server that holds its file.
// Where there is no file and none is to be made, it fails.
func openMaintenance(ctx context.Context, cfg config.Config, create bool, logs io.Writer) (maintenance, error) {
	if cfg.Index.Postgres.URL == "" && !create {
		if _, err := os.Stat(cfg.Index.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no index at %s; give its file by --index", cfg.Index.Path)
		}
	}
	log, _ := newLog(config.Log{Level: "warn", Format: "text"}, logs)
	store, err := openStore(ctx, cfg.Index, log)
	switch {
	case errors.Is(err, index.ErrInUse):
		return newAdminClient(cfg)
	case err != nil:
		return nil, err
	}
	registry, err := upstream.New(cfg.Upstream)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &ownMaintenance{reconcile.New(store, reconcile.NewSource(registry, cfg, nil), cfg.Reconcile, log), store, registry}, nil
}

// ownMaintenance works on the index itself.
type ownMaintenance struct {
	*reconcile.Reconciler
	store    index.Maintainer
	upstream *upstream.Registry
}

func (o *ownMaintenance) Stats(ctx context.Context) (index.Stats, error) {
	return o.store.Stats(ctx)
}

func (o *ownMaintenance) Export(ctx context.Context, w io.Writer) error {
	return reconcile.Export(ctx, o.store, w)
}

func (o *ownMaintenance) Import(ctx context.Context, r io.Reader) (int, error) {
	return reconcile.Import(ctx, o.store, r)
}

func (o *ownMaintenance) Intents(ctx context.Context, w io.Writer) error {
	return reconcile.ExportIntents(ctx, o.store, w)
}

func (o *ownMaintenance) Backup(ctx context.Context, w io.Writer) error {
	copier, able := o.store.(index.Copier)
	if !able {
		return errors.New("this index is kept in a database; back it up with the tools of that, such as pg_dump")
	}
	return copier.Backup(ctx, w)
}

func (o *ownMaintenance) Close() error {
	o.upstream.Close()
	return o.store.Close()
}

// onIndex runs work on the index that the settings name.
func onIndex(cmd *cobra.Command, settings *settings, create bool, work func(context.Context, maintenance) error) error {
	cfg, err := settings.load()
	if err != nil {
		return err
	}
	m, err := openMaintenance(cmd.Context(), cfg, create, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return errors.Join(work(cmd.Context(), m), m.Close())
}
