package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Options of a store.
type Options struct {
	// URL says where the database is, as libpq reads it: postgres://… or
	// key=value pairs. What it lacks is taken from the PG… variables.
	URL string
	// Password is that of the user; empty takes the one of URL, of the
	// environment or of the password file.
	Password string
	// Schema has the tables; it is made where there is none. Empty means
	// "backref".
	Schema string
	// Connections is the most that are open at once, 2 at least; 0 means 16.
	Connections int
	// Timeout is how long a statement, and the wait for other writers, may
	// take; 0 means 10 seconds. Counting, rebuilding and mirroring have no such
	// bound.
	Timeout time.Duration
	// Durability is what changes have to survive; empty means local.
	Durability Durability
	// Say takes what an operator ought to know of the database, when a
	// connection shows it: settings by which it loses changes, and warnings. It
	// may be called concurrently; nil drops it.
	Say func(text string)
	// Migrating is told, in the course of Open, that tables of an earlier
	// version were brought to this one. Its error is that of the opening. Nil
	// hears nothing.
	Migrating func(index.Migration) error
	// Tracing makes the tracer of statements that are part of something that is
	// traced; nil makes none.
	Tracing trace.TracerProvider
	// Attempted is told of each transaction of a batch of changes: how many it
	// has, and its error. It is called by one goroutine. Nil hears nothing.
	Attempted func(changes int, err error)
	// Metrics is where the connections are shown; nil for nowhere.
	Metrics prometheus.Registerer
}

// Bounds of connections.
const (
	defaultConnections = 16
	minConnections     = 2 // One has to show the other what it locks.
	defaultTimeout     = 10 * time.Second
	connectTimeout     = 5 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Schema == "" {
		o.Schema = "backref"
	}
	if o.Connections <= 0 {
		o.Connections = defaultConnections
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Durability == "" {
		o.Durability = DurabilityLocal
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Migrating == nil {
		o.Migrating = func(index.Migration) error { return nil }
	}
	return o
}

// Open opens the index in a database, and makes what it lacks of its tables:
// all of them, or what came since the version that made them. It fails with
// [index.ErrFormat] where this version can't use what a later one made; then
// nothing is changed. A database that does not give Options.Durability is
// refused.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	store, err := open(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("open index in PostgreSQL: %w", err)
	}
	return store, nil
}

func open(ctx context.Context, opts Options) (*Store, error) {
	servers := &servers{say: opts.Say}
	pool, err := newSessions(ctx, opts, servers)
	if err != nil {
		return nil, err
	}
	s := &Store{
		pool: pool, schema: opts.Schema, timeout: opts.Timeout, durability: opts.Durability, servers: servers,
		following: following{versions: index.NewVersions()},
		wake:      make(chan struct{}, 1),
		rested:    make(chan struct{}),
	}
	s.queue = s.newQueue(opts.Attempted)
	err = s.probe(ctx)
	if err == nil {
		err = s.checkDurability(ctx)
	}
	if err == nil {
		err = s.migrate(ctx, opts.Migrating)
	}
	if err == nil {
		err = s.probeLocks(ctx)
	}
	if err != nil {
		_ = s.queue.Close() // Nobody else closes it.
		pool.Close()
		return nil, err
	}
	if opts.Metrics != nil {
		opts.Metrics.MustRegister(newConnectionMetrics(pool.Stat))
	}
	s.wrote = servers.present()
	looking, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endLookouts = end
	s.lookOut(looking, &pool.Config().ConnConfig.Config)
	// They end with Close, not with the opening.
	keeping, rest := context.WithCancel(context.WithoutCancel(ctx))
	s.endUpkeep = rest
	go s.upkeep(keeping)
	return s, nil
}

func poolConfig(opts Options, servers *servers) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(opts.URL)
	if err != nil {
		return nil, err
	}
	if opts.Password != "" {
		cfg.ConnConfig.Password = opts.Password
	}
	if cfg.ConnConfig.ConnectTimeout <= 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	cfg.MaxConns = int32(max(minConnections, min(opts.Connections, 1000)))
	neverCancel(&cfg.ConnConfig.Config, opts.Say)
	servers.watch(cfg)
	traceStatements(cfg.ConnConfig, opts.Tracing)
	return cfg, nil
}
