package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// formatVersion is the layout that schema.sql makes.
const formatVersion = 1

//go:embed schema.sql
var schemaSQL string

//go:embed unheld.sql
var unheldSQL string

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
	return o
}

// Open opens the index in a database, and makes its tables where there are
// none. It fails with [index.ErrFormat] where a later version made them; then
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
		err = s.migrate(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.wrote = servers.present()
	looking, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endLookouts = end
	s.lookOut(looking, &pool.Config().ConnConfig.Config)
	// They end with Close, not with the opening.
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

// migrate brings the schema to where the store may use it. One process at a
// time does so; the others wait for it.
func (s *Store) migrate(ctx context.Context) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return s.failure(ctx, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, lockSQL, s.lockKey(lockWriting)); err != nil {
		return s.failure(ctx, err)
	}
	made, err := s.schemaMade(ctx, tx)
	if err != nil {
		return err
	}
	missing, err := s.missingTables(ctx, tx, made)
	if err != nil || missing == "" {
		return err
	}
	// The multiple statements of a file need the simple protocol.
	if _, err := tx.Conn().PgConn().Exec(ctx, missing).ReadAll(); err != nil {
		return s.failure(ctx, fmt.Errorf("make tables: %w", err))
	}
	return s.failure(ctx, s.commitTx(ctx, tx))
}

// missingTables returns the statements that make what is not there, where the
// first tables were made or not.
func (s *Store) missingTables(ctx context.Context, tx pgx.Tx, made bool) (string, error) {
	if !made {
		return schemaSQL + servedSQL + unheldSQL, nil
	}
	missing := ""
	for _, later := range []struct{ table, statements string }{{"served", servedSQL}, {"unheld", unheldSQL}} {
		var there bool
		err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, pgx.Identifier{s.schema, later.table}.Sanitize()).Scan(&there)
		if err != nil {
			return "", s.failure(ctx, err)
		}
		if !there {
			missing += later.statements
		}
	}
	return missing, nil
}

// schemaMade reports whether the tables are there as this version makes them,
// and makes the schema for them where it lacks.
func (s *Store) schemaMade(ctx context.Context, tx pgx.Tx) (bool, error) {
	var schema, meta bool
	err := tx.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL`,
		pgx.Identifier{s.schema}.Sanitize(), pgx.Identifier{s.schema, "meta"}.Sanitize()).Scan(&schema, &meta)
	if err != nil {
		return false, s.failure(ctx, err)
	}
	if !schema {
		_, err := tx.Exec(ctx, `CREATE SCHEMA `+pgx.Identifier{s.schema}.Sanitize())
		return false, s.failure(ctx, err)
	}
	if !meta {
		return false, nil
	}
	var format int
	switch err := tx.QueryRow(ctx, `SELECT format FROM meta`).Scan(&format); {
	case errors.Is(err, pgx.ErrNoRows):
		return false, fmt.Errorf("%w: schema %s has no format", index.ErrDamaged, s.schema)
	case err != nil:
		return false, s.failure(ctx, err)
	}
	return true, checkFormat(format)
}

func checkFormat(format int) error {
	if format != formatVersion {
		return fmt.Errorf("%w: version %d, this program knows %d", index.ErrFormat, format, formatVersion)
	}
	return nil
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
