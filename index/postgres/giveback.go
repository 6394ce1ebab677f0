package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What gives something back waits for no standby: after a failover that has
// lost it, the row of a lease ends by itself.
const commitLocally = `SELECT set_config('synchronous_commit', 'local', true)`

// undoLocally is for what is tried again where another transaction has the row,
// as a renewal that waits for a standby has.
const undoLocally = `SELECT set_config('synchronous_commit', 'local', true), set_config('lock_timeout', '1s', true)`

// giveBack ends a lease that was held, and goes on with that in the background
// where the database does not answer.
func (s *Store) giveBack(ctx context.Context, l *lease) {
	if _, err := s.dropRow(ctx, l); err != nil && !l.brief {
		s.undoLost(l)
	}
}

// undoLost ends, in the background, a lease whose holder has lost it, so that
// nobody waits for its end: after a failover, or a renewal that came too late,
// its row may be there still.
func (s *Store) undoLost(l *lease) {
	s.undo(l, func(_ int64, err error) bool { return err == nil })
}

// undoTake ends, in the background, a lease of which nobody knows whether it was
// taken. While that waits for a standby its row can't be seen, and it may come
// as long as the lease would last.
func (s *Store) undoTake(l *lease) {
	s.undo(l, func(dropped int64, err error) bool { return err == nil && dropped > 0 })
}

// undo drops the row of a lease in the background: again and again until that is
// done, or the row has ended by itself.
func (s *Store) undo(l *lease, done func(dropped int64, err error) bool) {
	// What was sent may wait on the server for as long as the store does.
	over := time.Now().Add(s.timeout + l.term)
	s.inBackground(func() {
		for time.Now().Before(over) {
			dropped, err := s.dropRow(context.Background(), l)
			if done(dropped, err) || errors.Is(err, index.ErrClosed) {
				return
			}
			select {
			case <-s.queue.Done():
				return
			case <-time.After(leaseRenewal):
			}
		}
	})
}

// inBackground does work that Close waits for, unless the store is closed. It
// has to end when the store is, and must not be called by what asks the
// database.
func (s *Store) inBackground(work func()) (begun bool) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return false
	}
	s.leasing.background.Go(work)
	return true
}

// dropRow drops the row of a lease, or leaves it to who is next, and returns how
// many there were of it.
func (s *Store) dropRow(ctx context.Context, l *lease) (dropped int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, leaseRenewal)
		defer cancel()
		var batch pgx.Batch
		batch.Queue(undoLocally)
		for _, end := range []string{endLease, dropLease} {
			batch.Queue(end, l.name, l.holder).Exec(func(tag pgconn.CommandTag) error {
				dropped += tag.RowsAffected()
				return nil
			})
		}
		return s.pool.SendBatch(ctx, &batch).Close()
	})
	return dropped, err
}
