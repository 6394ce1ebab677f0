package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Durability says what a change has to survive once its method has returned.
type Durability string

const (
	// DurabilityLocal is for the end of processes and machines that come back
	// with their disks: a commit is on that of the server. Where the server is
	// set to wait for standbys, it does so too.
	DurabilityLocal Durability = "local"
	// DurabilityStandby is for the loss of the primary: no commit counts that
	// the server was not set to wait for a standby with.
	DurabilityStandby Durability = "standby"
)

// errWeaker means that the database keeps less than was asked for.
var errWeaker = errors.New("the database does not give index.postgres.durability")

// selectDurability asks within a transaction what its commit will wait for.
// Engines that know no such setting have none.
const selectDurability = `SELECT coalesce(current_setting('synchronous_commit', true), 'on'), ` + standbyNames

// selectStandbys asks the last behind the commit: whoever takes the standbys out
// of the settings ends all waits for them, and the commits succeed.
const selectStandbys = `SELECT ` + standbyNames

const standbyNames = `coalesce(current_setting('synchronous_standby_names', true), '')`

// scanDurability takes the row of [selectDurability].
func (d Durability) scanDurability(row pgx.Row) error {
	var commit, standbys string
	if err := row.Scan(&commit, &standbys); err != nil {
		return err
	}
	if commit != "on" && commit != "remote_apply" {
		return fmt.Errorf("%w: synchronous_commit is %s, although the session was told otherwise", errWeaker, commit)
	}
	return d.checkStandbys(standbys)
}

// scanStandbys takes the row of [selectStandbys].
func (d Durability) scanStandbys(row pgx.Row) error {
	var standbys string
	if err := row.Scan(&standbys); err != nil {
		return err
	}
	return d.checkStandbys(standbys)
}

func (d Durability) checkStandbys(standbys string) error {
	if d != DurabilityStandby || strings.TrimSpace(standbys) != "" {
		return nil
	}
	return fmt.Errorf("%w standby: synchronous_standby_names is empty, so that no commit waits for a standby; set it on the server, to ANY 1 (*) for example, or index.postgres.durability to local", errWeaker)
}

// checkDurability refuses a database that keeps less than was asked for. Each
// change asks again: what is in front of it may lead to another server by then.
func (s *Store) checkDurability(ctx context.Context) error {
	err := s.transaction(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return s.durability.scanDurability(tx.QueryRow(ctx, selectDurability))
	})
	if errors.Is(err, errWeaker) {
		return err
	}
	return s.failure(ctx, err)
}

// queueServer queues what refuses a transaction that would be kept less well
// than was asked for, and what tells the timeline of its server, which is to be
// admitted then.
func (s *Store) queueServer(batch *pgx.Batch, at *server) {
	batch.Queue(selectDurability).QueryRow(s.durability.scanDurability)
	if *at == (server{}) {
		return
	}
	batch.Queue(`SELECT ` + selectTimeline).QueryRow(func(row pgx.Row) error { return row.Scan(&at.timeline) })
}

// checkCommitted asks behind a commit what [Store.queueServer] asks before it.
func (s *Store) checkCommitted(ctx context.Context, at server) error {
	if !s.servers.current(at) {
		return fmt.Errorf("%w: %w", errUnknownOutcome, errReplaced)
	}
	if s.durability != DurabilityStandby {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.durability.scanStandbys(s.pool.QueryRow(limited, selectStandbys)); err != nil {
		return fmt.Errorf("%w: %w", errUnknownOutcome, err)
	}
	return nil
}

// sendCommit sends statements and the COMMIT of their transaction, and returns
// whether it has the durability asked for.
func sendCommit(ctx context.Context, conn *pgx.Conn, batch *pgx.Batch, durability Durability) error {
	batch.Queue(`COMMIT`)
	statements := batch.Len()
	standby := durability == DurabilityStandby
	// A server reads its settings again between messages, and what goes by the
	// simple protocol is one.
	apart := conn.Config().DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol
	if standby && !apart {
		batch.Queue(selectStandbys)
	}
	err := readCommit(conn.SendBatch(ctx, batch), statements, func(results pgx.BatchResults) error {
		if !standby || apart {
			return nil
		}
		return durability.scanStandbys(results.QueryRow())
	})
	if err == nil && standby && apart {
		err = durability.scanStandbys(conn.QueryRow(ctx, selectStandbys))
	}
	return err
}

// readCommit reads the answers to statements of which the last is COMMIT, and
// then those that the caller has added.
func readCommit(results pgx.BatchResults, statements int, then func(pgx.BatchResults) error) error {
	outcome := ""
	var err error
	for range statements {
		tag, failed := results.Exec()
		if err = failed; err != nil {
			break
		}
		outcome = tag.String()
	}
	if err == nil {
		err = then(results)
	}
	closed := results.Close()
	switch {
	case err != nil:
		return err
	case closed != nil:
		return closed
	case outcome != "COMMIT":
		return fmt.Errorf("%w: %s", errNotCommitted, outcome)
	default:
		return nil
	}
}
