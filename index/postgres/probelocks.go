package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Reasons why a database can't have the index, whatever else it can do.
var (
	errNoExclusion = errors.New("a row that one connection has locked is given to another: replicas would overwrite each other's changes; " +
		"the index needs a PostgreSQL, or what locks rows as it does")
	errLockStays = errors.New("a row stays locked when the transaction that has locked it is over: " +
		"what is between backref and the database has to end transactions when it is told to")
	errNoSettings = errors.New("what is set for a transaction doesn't hold in it: what is between backref and the database has to pass " +
		"settings on and to keep a transaction to one session, as PgBouncer does with pool_mode=session or transaction")
	errNoLease = errors.New("a lease that one connection has taken is given to another: the index needs a PostgreSQL, " +
		"or what changes rows as it does")
)

// probeSessions finds out whether sessions are shared, and has the database
// show that transactions have the settings that they are given.
func (s *Store) probeSessions(ctx context.Context) error {
	if err := s.pool.look(ctx); err != nil {
		return s.failure(ctx, err)
	}
	if s.pool.shared.Load() {
		return s.probeSettings(ctx)
	}
	switch apart, err := s.sessionsApart(ctx); {
	case err != nil:
		return s.failure(ctx, err)
	case !apart:
		// Something passes on what a session is cancelled by, and not the session.
		s.pool.share()
	}
	return s.probeSettings(ctx)
}

// sessionsApart tells whether two connections have a session each, also while
// the other is within a transaction.
func (s *Store) sessionsApart(ctx context.Context) (bool, error) {
	apart := true
	err := s.withTwo(ctx, func(ctx context.Context, one, other *pgxpool.Conn) error {
		for _, pair := range [][2]*pgxpool.Conn{{one, other}, {other, one}} {
			err := pgx.BeginFunc(ctx, pair[0], func(pgx.Tx) error {
				own, err := ownSession(ctx, pair[1].Conn().PgConn())
				apart = apart && own
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return apart, err
}

// probeSettings reads in a transaction of the usual kind what was set for it.
func (s *Store) probeSettings(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var isolation, commit, timeout, path string
		err := tx.QueryRow(ctx, `SELECT current_setting('transaction_isolation'), current_setting('synchronous_commit'),
			(SELECT setting FROM pg_settings WHERE name = 'statement_timeout'), current_setting('search_path')`).Scan(&isolation, &commit, &timeout, &path)
		if err != nil {
			return err
		}
		want := []string{pgx.Identifier{s.schema}.Sanitize(), strconv.FormatInt(s.timeout.Milliseconds(), 10), "read committed"}
		if !slices.Equal([]string{path, timeout, isolation}, want) || commit != "on" && commit != "remote_apply" {
			return fmt.Errorf("%w (transaction_isolation %s, synchronous_commit %s, statement_timeout %s, search_path %s)", errNoSettings, isolation, commit, timeout, path)
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoSettings):
		return err
	case err != nil && strings.Contains(err.Error(), "statement pooling"):
		return fmt.Errorf("%w: %w", errNoSettings, s.failure(ctx, err))
	}
	return s.failure(ctx, err)
}

// probeLocks has the database show that what one connection holds is refused to
// another, and free when it is given back: a lease, and the lock of its row.
func (s *Store) probeLocks(ctx context.Context) error {
	mine, second := newLease("probe "+rand.Text(), 0), newLease("", 0)
	second.name = mine.name
	// Without its standby a database can be read, and has to be opened for that.
	mine.brief, second.brief = true, true
	defer s.giveBack(context.WithoutCancel(ctx), mine)
	defer s.giveBack(context.WithoutCancel(ctx), second)
	first, err := s.tryLease(ctx, mine)
	if err != nil {
		return err
	}
	twice, err := s.tryLease(ctx, second)
	if err != nil {
		return err
	}
	if !first || twice {
		return errNoLease
	}
	err = s.withTwo(ctx, func(ctx context.Context, one, other *pgxpool.Conn) error {
		return s.probeRow(ctx, one, other, mine.name)
	})
	if errors.Is(err, errNoExclusion) || errors.Is(err, errLockStays) {
		return err
	}
	return s.failure(ctx, err)
}

// probeRow has one transaction lock a row that another asks for, before it has
// ended and after.
func (s *Store) probeRow(ctx context.Context, one, other *pgxpool.Conn, name string) error {
	free := func(tx pgx.Tx) (bool, error) {
		rows, err := tx.Query(ctx, `SELECT name FROM leases WHERE name = $1 FOR UPDATE SKIP LOCKED`, name)
		if err != nil {
			return false, err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		return len(names) == 1, err
	}
	return s.without(ctx, other, func(second pgx.Tx) error {
		err := s.without(ctx, one, func(first pgx.Tx) error {
			if _, err := free(first); err != nil {
				return err
			}
			stolen, err := free(second)
			if stolen {
				return errNoExclusion
			}
			return err
		})
		if err != nil {
			return err
		}
		back, err := free(second)
		if err == nil && !back {
			err = errLockStays
		}
		return err
	})
}

// without undoes a transaction when work is done. Even locks would have its
// commit wait for a standby, and without that the index has to be opened too.
func (s *Store) without(ctx context.Context, conn *pgxpool.Conn, work func(pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, s.pool.transaction(pgx.TxOptions{}))
	if err != nil {
		return err
	}
	return errors.Join(work(tx), tx.Rollback(ctx))
}

// withTwo lends two connections, for as long as the store waits for anything.
func (s *Store) withTwo(ctx context.Context, use func(ctx context.Context, one, other *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	one, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer one.Release()
	other, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer other.Release()
	return use(ctx, one, other)
}
