package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A commit that waits for a standby must not be broken off: the server then
// shows it to all, answers that it has succeeded, with a warning, and may be
// the only one to have it. So the store never asks a server to cancel anything,
// and takes every warning for the end of its connection.

// errUnknownOutcome means that nobody knows whether a transaction is committed,
// or for how long.
var errUnknownOutcome = errors.New("whether it is committed is not known")

// neverCancel has the connections of a configuration end alone where the
// context of a statement does, or where the server warns.
func neverCancel(cfg *pgconn.Config, say func(string)) {
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return uncancelled{conn}, nil
	}
	cfg.OnNotice = func(conn *pgconn.PgConn, notice *pgconn.Notice) {
		// One that comes while a connection is made is about the database.
		if !conn.IsBusy() || !isWarning(notice) {
			return
		}
		say(fmt.Sprintf("the database warns, so that what was under way counts as not known: %s (%s)", notice.Message, notice.Code))
		// The answer that follows is not read: it would be that of a success.
		_ = conn.Close(context.Background())
	}
}

// isWarning tells a warning in any language. Servers before 9.6, and what stands
// in for one, may name the severity in theirs alone.
func isWarning(notice *pgconn.Notice) bool {
	if notice.SeverityUnlocalized != "" {
		return notice.SeverityUnlocalized == "WARNING"
	}
	return strings.HasPrefix(notice.Code, "01") || strings.HasPrefix(notice.Code, "57")
}

// uncancelled is a connection that doesn't say where it leads to. That is what
// pgx asks before it connects there once more to have a statement cancelled,
// whenever a connection ends amid one.
type uncancelled struct{ net.Conn }

// RemoteAddr returns an address that can't be dialled.
func (uncancelled) RemoteAddr() net.Addr { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "none" }
func (nowhere) String() string  { return "nowhere" }

// transaction does work in a transaction of its own.
func (s *Store) transaction(ctx context.Context, opts pgx.TxOptions, work func(tx pgx.Tx) error) error {
	tx, err := s.pool.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	// It does nothing where the transaction has ended.
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		_ = tx.Rollback(limited)
	}()
	if err := work(tx); err != nil {
		return err
	}
	return s.commitTx(ctx, tx)
}

// commitTx commits within the store's time, however long the transaction was
// allowed to take: without the standby that it waits for it would not end.
func (s *Store) commitTx(ctx context.Context, tx pgx.Tx) error {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn := tx.Conn()
	err := tx.Commit(limited)
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		// The connection may be somebody else's by now.
		return err
	}
	return outcome(conn, err)
}

// outcome is what becomes of an error that came after a COMMIT was sent.
func outcome(conn *pgx.Conn, err error) error {
	if err == nil || !conn.IsClosed() {
		return err
	}
	return fmt.Errorf("%w, as where it waits for a standby: %w", errUnknownOutcome, err)
}

// endAbandoned has the server end a statement whose connection has ended, where
// it can do so by itself. It does not end a commit that waits for a standby.
func endAbandoned(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := askRow(ctx, conn, `SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'`)
	return err
}
