package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

var _ index.TagLocker = (*Store)(nil)

const (
	// Bounds of the time between two questions whether a tag is free.
	minTagPoll = 2 * time.Millisecond
	maxTagPoll = 50 * time.Millisecond
	// nextTurn is how long a tag that is free is kept for whoever is next, who
	// says that often that it still waits.
	nextTurn = 2 * time.Second
)

// waitForLease keeps the next turn for one of those who wait, so that none is
// passed over by others again and again.
const waitForLease = `UPDATE leases SET next = $2, next_until = clock_timestamp() + $3::bigint * interval '1 microsecond'
	WHERE name = $1 AND (next = $2 OR next_until <= clock_timestamp())`

const leaveTurn = `UPDATE leases SET next = '', next_until = '-infinity' WHERE name = $1 AND next = $2`

// selectBusy tells whether a lease is kept from one who waits for it.
const selectBusy = `SELECT EXISTS (SELECT 1 FROM leases WHERE name = $1
	AND (until > clock_timestamp() OR next_until > clock_timestamp() AND next <> $2))`

// LockTag implements [index.TagLocker]. It waits no longer than the store's
// timeout.
func (s *Store) LockTag(ctx context.Context, repository, tag string, after time.Duration) (held context.Context, release context.CancelFunc, err error) {
	if err = checkName("repository", repository); err == nil {
		err = checkName("tag", tag)
	}
	l := newLease("tag "+repository+":"+tag, after)
	if err == nil {
		err = s.awaitLease(ctx, l)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s of %s: %w", tag, repository, err)
	}
	held, release = s.holdLease(context.WithoutCancel(ctx), l)
	return held, release, nil
}

// lastTry is the part of the time of a wait that nothing is begun in any more:
// a question that is broken off costs its connection.
const lastTry = 10

// awaitLease takes a lease when its turn has come, within the store's timeout.
func (s *Store) awaitLease(ctx context.Context, l *lease) error {
	turn := &turn{lease: l, by: time.Now().Add(s.timeout), begin: time.Now().Add(s.timeout - s.timeout/lastTry)}
	err := s.awaitTurn(ctx, turn)
	if err != nil && turn.queued {
		s.leaveTurn(l)
	}
	return err
}

// turn is the wait for a lease: it ends at a time, and begins nothing from some
// time before on.
type turn struct {
	*lease
	begin, by time.Time
	// queued says that the next turn may be kept for it.
	queued bool
}

func (s *Store) awaitTurn(ctx context.Context, t *turn) error {
	pause := minTagPoll
	for {
		if mine, err := s.tryLeaseBy(ctx, t.lease, t.by); err != nil || mine {
			return err
		}
		for asked, busy := (time.Time{}), true; busy; pause = min(2*pause, maxTagPoll) {
			if time.Now().After(t.begin) {
				return index.ErrInUse
			}
			if time.Since(asked) > nextTurn/2 {
				t.queued = true
				if err := s.queueForLease(ctx, t); err != nil {
					return err
				}
				asked = time.Now()
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			var err error
			if busy, err = s.leaseBusy(ctx, t); err != nil {
				return err
			}
		}
	}
}

func (s *Store) queueForLease(ctx context.Context, t *turn) error {
	return s.read(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithDeadline(ctx, t.by)
		defer cancel()
		var batch pgx.Batch
		batch.Queue(commitLocally)
		batch.Queue(waitForLease, t.name, t.holder, nextTurn.Microseconds())
		return s.pool.SendBatch(ctx, &batch).Close()
	})
}

// leaveTurn gives up the next turn in the background. Where the database does
// not learn of it the turn passes by itself.
func (s *Store) leaveTurn(l *lease) {
	s.inBackground(func() {
		_ = s.read(context.Background(), func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, nextTurn)
			defer cancel()
			var batch pgx.Batch
			batch.Queue(undoLocally)
			batch.Queue(leaveTurn, l.name, l.holder)
			return s.pool.SendBatch(ctx, &batch).Close()
		})
	})
}

func (s *Store) leaseBusy(ctx context.Context, t *turn) (busy bool, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithDeadline(ctx, t.by)
		defer cancel()
		return s.pool.QueryRow(ctx, selectBusy, t.name, t.holder).Scan(&busy)
	})
	return busy, err
}
