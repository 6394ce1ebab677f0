package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
	"github.com/backref/backref/upstream/split"
)

func newIndex(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Rebuild, compare, export and look at the index",
		Long: "Work on the index: that of the server at --admin; else the file that --index or the\n" +
			"configuration names, or its database; else that of the server that answers at the\n" +
			"admin listener of this machine; else the file ./backref.db. A server that holds the\n" +
			"file is asked to do the work.",
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
	Retain(ctx context.Context, options reconcile.RetainOptions, each func(reconcile.Retained)) (reconcile.RetentionReport, error)
	Stats(ctx context.Context) (index.Stats, error)
	Export(ctx context.Context, w io.Writer) error
	Import(ctx context.Context, r io.Reader) (reconcile.Imported, error)
	Intents(ctx context.Context, w io.Writer) error
	Backup(ctx context.Context, w io.Writer) error
	Audit(ctx context.Context, query reconcile.AuditQuery, each func(reconcile.AuditRecord) error) error
	Close() error
}

// ownMaintenance works on the index itself.
type ownMaintenance struct {
	*reconcile.Reconciler
	*reconcile.Retention
	store    index.Maintainer
	upstream *upstream.Registry
	// split is what stands beside that.
	split split.Options
	// routes are the further registries; nil for none.
	routes *routes.Table
	// endAudit has written what was recorded; nil where nothing records.
	endAudit func()
}

// openOwn opens the index itself.
func openOwn(ctx context.Context, cfg config.Config, logs io.Writer) (maintenance, error) {
	written, err := newLogs(config.Log{Level: "warn", Format: "text"}, logs)
	if err != nil {
		return nil, err
	}
	log := written.Logger
	store, err := openStore(ctx, cfg.Index, log, tracing{})
	if err != nil {
		return nil, err
	}
	if cfg.Upstream.URL == nil {
		// Nothing that is asked for needs the registry.
		return &ownMaintenance{store: store}, nil
	}
	beside, err := options.Split(cfg, store, log, func(*upstream.Options) {})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	registry, further, err := options.Behind(cfg.Upstream, beside, store, log, func(*upstream.Options) {})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	settings, err := options.RetentionSettings(cfg.Retention)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	source, retaining := reconcile.NewSource(options.Source(cfg, registry, store)), options.Retaining(cfg)
	retaining.Store, retaining.Source, retaining.Log = store, source, log
	retaining.Settings = func() reconcile.RetentionSettings { return settings }
	policies, err := options.Policies(cfg)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	retaining.Locked = func(repository, tag string) policy.Decision {
		return policies.Locks.Decide(repository, tag, time.Now())
	}
	audit := reconcile.NewAudit(reconcile.AuditOptions{Journal: store, Log: log, Bounds: options.Audit(cfg.Audit)})
	retaining.Audit = audit.Record
	return &ownMaintenance{
		endAudit:   runAudit(ctx, audit),
		Reconciler: reconcile.New(store, source, options.Reconcile(cfg.Reconcile), log), Retention: reconcile.NewRetention(retaining),
		store: store, upstream: registry, split: beside, routes: further,
	}, nil
}

// runAudit has an audit written until the function that it returns is called, also
// where ctx ends before.
func runAudit(ctx context.Context, audit *reconcile.Audit) (end func()) {
	within, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		audit.Run(within)
	}()
	return func() {
		stop()
		<-ended
		audit.Close()
	}
}

func (o *ownMaintenance) Stats(ctx context.Context) (index.Stats, error) {
	return o.store.Stats(ctx)
}

func (o *ownMaintenance) Export(ctx context.Context, w io.Writer) error {
	return reconcile.Export(ctx, o.store, w)
}

func (o *ownMaintenance) Import(ctx context.Context, r io.Reader) (reconcile.Imported, error) {
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
	if o.endAudit != nil {
		o.endAudit()
	}
	if o.upstream != nil {
		o.upstream.Close()
		o.routes.Close()
		o.split.Close()
	}
	return o.store.Close()
}
