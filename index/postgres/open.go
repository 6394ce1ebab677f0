package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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
	// Connections is the most that are open at once; 0 means 16.
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
}

// Bounds of connections.
const (
	defaultConnections = 16
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
	cfg, err := poolConfig(opts, servers)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{
		pool: pool, schema: opts.Schema, timeout: opts.Timeout, durability: opts.Durability, servers: servers,
		queue:   make(chan *change, queueSize),
		stopped: make(chan struct{}),
		wake:    make(chan struct{}, 1),
		rested:  make(chan struct{}),
	}
	err = s.probe(ctx)
	if err == nil {
		err = s.checkDurability(ctx)
	}
	if err == nil {
		err = s.migrate(ctx, opts.Migrating)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.wrote = servers.present()
	// Both end with Close, not with the opening.
	go s.write()
	go s.upkeep() //nolint:gosec // See above.
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
	cfg.MaxConns = int32(min(opts.Connections, 1000)) //nolint:gosec // It is bounded.
	neverCancel(&cfg.ConnConfig.Config, opts.Say)
	servers.watch(cfg)
	session := sessionSettings(opts)
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.PgConn().Exec(ctx, session).ReadAll(); err != nil {
			return err
		}
		return endAbandoned(ctx, conn.PgConn())
	}
	return cfg, nil
}

// sessionSettings returns the statements that a connection begins with.
//
// A commit is on disk when it is acknowledged, whatever the default of the
// server; where a standby has to apply it first, that stays. Every statement
// is written for an index of the tables, so that no plan that reads whole
// tables is taken, not even one that was made while they were empty.
func sessionSettings(opts Options) string {
	milliseconds := strconv.FormatInt(opts.Timeout.Milliseconds(), 10)
	statements := []string{
		"SET search_path = " + pgx.Identifier{opts.Schema}.Sanitize(),
		"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'",
		// A commit whose wait for a standby was broken off succeeds with a warning.
		"SET client_min_messages = 'warning'",
		// Each statement behind a lock has to see what others did before it.
		"SET default_transaction_isolation = 'read committed'",
		"SET statement_timeout = " + milliseconds,
		"SET lock_timeout = " + milliseconds,
		"SET idle_in_transaction_session_timeout = " + milliseconds,
		// A machine that is gone says nothing, and what it holds is waited for.
		"SET tcp_keepalives_idle = 5",
		"SET tcp_keepalives_interval = 5",
		"SET tcp_keepalives_count = 3",
		"SET plan_cache_mode = force_generic_plan",
		"SET jit = off",
		// Where values come as text, this is the one that can be read.
		"SET bytea_output = 'hex'",
	}
	for _, plan := range []string{"seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"} {
		statements = append(statements, "SET enable_"+plan+" = off")
	}
	return strings.Join(statements, "; ")
}

// The advisory locks of a schema.
const (
	// lockWriting is held by whoever changes records or intents, until the
	// change is committed.
	lockWriting = "writing"
	// lockUpkeep is held by whoever drops what is no longer used.
	lockUpkeep = "upkeep"
	// lockRole precedes the roles of [Store.Hold].
	lockRole = "role "
)

const lockSQL = `SELECT pg_advisory_xact_lock($1)`

// lockKey returns the number of a lock in the database. Schemas have locks of
// their own.
func (s *Store) lockKey(lock string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("backref\x00" + s.schema + "\x00" + lock))
	return int64(hash.Sum64()) //nolint:gosec // The bits are meant.
}
