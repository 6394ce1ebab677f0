package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/backref/backref/index"
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
		if err = s.awaitLease(ctx, l); err != nil {
			s.leaveTurn(context.WithoutCancel(ctx), l)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s of %s: %w", tag, repository, err)
	}
	held, release = s.holdLease(context.WithoutCancel(ctx), l)
	return held, release, nil
}

// awaitLease takes a lease when its turn has come.
func (s *Store) awaitLease(ctx context.Context, l *lease) error {
	begun, pause := time.Now(), minTagPoll
	for {
		if mine, err := s.tryLease(ctx, l); err != nil || mine {
			return err
		}
		for queued, busy := (time.Time{}), true; busy; pause = min(2*pause, maxTagPoll) {
			if time.Since(begun) > s.timeout {
				return index.ErrInUse
			}
			if time.Since(queued) > nextTurn/2 {
				if err := s.queueForLease(ctx, l); err != nil {
					return err
				}
				queued = time.Now()
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			var err error
			if busy, err = s.leaseBusy(ctx, l); err != nil {
				return err
			}
		}
	}
}

func (s *Store) queueForLease(ctx context.Context, l *lease) error {
	return s.read(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, waitForLease, l.name, l.holder, nextTurn.Microseconds())
		return err
	})
}

// leaveTurn gives up the next turn. Where the database does not learn of it the
// turn passes by itself.
func (s *Store) leaveTurn(ctx context.Context, l *lease) {
	_ = s.read(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, leaveTurn, l.name, l.holder)
		return err
	})
}

func (s *Store) leaseBusy(ctx context.Context, l *lease) (busy bool, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, selectBusy, l.name, l.holder).Scan(&busy)
	})
	return busy, err
}
