package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
	"github.com/jackc/pgx/v5"
)

// Store is an index in a schema of a PostgreSQL database. Its methods are those
// of [index.Store].
type Store struct {
	pool    *sessions
	schema  string
	timeout time.Duration

	durability Durability
	servers    *servers
	// wrote is the server of the last change; the writer has it.
	wrote server
	// lookouts look for newer servers until endLookouts is called.
	lookouts    sync.WaitGroup
	endLookouts context.CancelFunc

	// gate is held for reading while the database is asked otherwise than by the
	// writer, and for writing to end that.
	gate   sync.RWMutex
	closed bool
	// queue has the one goroutine of this process that makes batches of changes.
	queue *commit.Queue[*change]

	marks     sharedQuestion[index.Mark]
	following following
	leasing   leasing
	// typed says that the index of types is there.
	typed atomic.Bool
	// typeIndexFailed says that the operator was told of a failure; the upkeep has it.
	typeIndexFailed bool

	// wake tells the upkeep that there is something to do, and rested is closed
	// when it has ended, as it does when endUpkeep is called.
	wake      chan struct{}
	endUpkeep context.CancelFunc
	rested    chan struct{}
}

var (
	_ index.Maintainer    = (*Store)(nil)
	_ index.Follower      = (*Store)(nil)
	_ index.LateConfirmer = (*Store)(nil)
)

// Close implements [index.Store]. It waits for the changes that are enqueued
// and the questions under way.
func (s *Store) Close() error {
	// A step of the upkeep may hold the gate for long, and does nothing by halves.
	s.endUpkeep()
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return index.ErrClosed
	}
	s.closed = true
	s.gate.Unlock()
	_ = s.queue.Close() // Nobody else closes it.
	<-s.rested
	s.leasing.background.Wait()
	s.endLookouts()
	s.lookouts.Wait()
	s.pool.Close()
	return nil
}

// read asks the database, unless the store is closed. What is asked has a time
// of its own where it is bounded.
func (s *Store) read(ctx context.Context, ask func(ctx context.Context) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return index.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.failure(ctx, ask(limited))
}

// Mark implements [index.Store].
func (s *Store) Mark(ctx context.Context) (index.Mark, error) {
	return s.marks.answer(ctx, s.readMark)
}

func (s *Store) readMark() (mark index.Mark, err error) {
	err = s.read(context.Background(), func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, selectMark).Scan(&mark)
	})
	return mark, err
}

// selectMark finds the newest number that is committed. Numbers are given in
// the order of commits: see [writing].
const selectMark = `SELECT sequence FROM history ORDER BY sequence DESC LIMIT 1`

// queryer is what asks: the pool, or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
