package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sessions are the connections to the database, and the way that statements
// take there.
//
// A connection that has a session of its own keeps what was set, and the
// statements that were prepared, until it ends. One through a pooler may have
// it for no longer than a transaction: what was set before is then another
// client's, and what this client sets would be there for others. So a
// connection counts as one with a session of its own only where the number that
// the database gave it for being cancelled by is the number of the process that
// serves it, which poolers don't pass on. All others are shared: there each
// transaction brings its settings along, in the same round trip, and no
// statement outlives it.
//
// Once a connection is found to be shared all are taken for shared, those that
// are made later too.
type sessions struct {
	*pgxpool.Pool
	shared atomic.Bool
	// whole makes the settings of a session, local those of a transaction.
	whole, local string
}

// errShared means that a connection was made for a session of its own, and
// hasn't got one. The next one is made for a shared one.
var errShared = errors.New("the connection has no session of its own")

// newSessions returns the way to the database, to which nothing is connected
// yet.
func newSessions(ctx context.Context, opts Options, servers *servers) (*sessions, error) {
	cfg, err := poolConfig(opts, servers)
	if err != nil {
		return nil, err
	}
	s := &sessions{whole: settingStatement(opts, true), local: settingStatement(opts, false)}
	cfg.BeforeConnect = s.beforeConnect
	cfg.AfterConnect = s.afterConnect
	s.Pool, err = pgxpool.NewWithConfig(ctx, cfg)
	return s, err
}

// beforeConnect has the statements of a shared connection sent whole, with all
// that they need, and none kept for later. Of the modes of pgx these two do.
func (s *sessions) beforeConnect(_ context.Context, cfg *pgx.ConnConfig) error {
	if s.shared.Load() && cfg.DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return nil
}

// afterConnect makes the settings of a session, where there is one.
func (s *sessions) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	if s.shared.Load() {
		return nil
	}
	// The pool has no bound for this.
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	// Nothing may be set before it is known whose session it is.
	own, err := ownSession(ctx, conn.PgConn())
	if err != nil {
		return err
	}
	if !own {
		s.shared.Store(true)
		return errShared
	}
	if _, err = conn.PgConn().Exec(ctx, s.whole).ReadAll(); err != nil {
		return err
	}
	return endAbandoned(ctx, conn.PgConn())
}

// ownSession tells whether the process that serves a connection is the one that
// the database named when it began.
func ownSession(ctx context.Context, conn *pgconn.PgConn) (bool, error) {
	results, err := conn.Exec(ctx, `SELECT pg_backend_pid()`).ReadAll()
	if err != nil {
		return false, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return false, fmt.Errorf("%w: the number of the process has no row", errChanged)
	}
	return string(results[0].Rows[0][0]) == strconv.FormatUint(uint64(conn.PID()), 10), nil
}

// look connects for the first time, and so finds out whether sessions are
// shared.
func (s *sessions) look(ctx context.Context) error {
	conn, err := s.Acquire(ctx)
	if errors.Is(err, errShared) {
		conn, err = s.Acquire(ctx)
	}
	if err == nil {
		conn.Release()
	}
	return err
}

// share takes all connections for shared from now on. Those that there are end
// when they are free.
func (s *sessions) share() {
	if !s.shared.Swap(true) {
		s.Reset()
	}
}
