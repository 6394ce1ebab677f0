package postgres

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A lease is renewed long before it ends. Its holder takes it for lost while
// the database still has it: clocks of processes and of the servers of the
// database may differ by what is between, as may the time that one of them is
// stopped for without noticing.
const (
	leaseTerm    = 15 * time.Second
	leaseMargin  = 3 * time.Second
	leaseRenewal = 3 * time.Second
)

// lease is a row that says who may do something, until a time of the database's
// clock.
type lease struct {
	// name says what, and holder is nobody else's.
	name, holder string
	// term is how long the lease is taken and renewed for, of which reserve is
	// the part that its holder must not begin anything in.
	term, reserve time.Duration
	// brief says that nobody misses it after a failover, so that it waits for no
	// standby.
	brief bool
	// ends is when the holder takes it for lost, by the clock of the process.
	ends time.Time
}

// newLease returns a lease that nobody else gets for a time after its holder
// has lost it.
func newLease(name string, after time.Duration) *lease {
	return &lease{name: name, holder: rand.Text(), term: leaseTerm + after, reserve: leaseMargin + after}
}

// The row of a lease that has ended is free, but for whom it is kept for next.
const (
	takeLease = `INSERT INTO leases AS l (name, holder, until) VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = clock_timestamp() + $3::bigint * interval '1 microsecond',
			next = '', next_until = '-infinity'
		WHERE l.until <= clock_timestamp() AND (l.next_until <= clock_timestamp() OR l.next = excluded.holder)`

	renewLease = `UPDATE leases SET until = clock_timestamp() + $3::bigint * interval '1 microsecond'
		WHERE name = $1 AND holder = $2 AND until > clock_timestamp()`

	// A row that somebody waits for stays for him.
	endLease = `UPDATE leases SET holder = '', until = '-infinity' WHERE name = $1 AND holder = $2 AND next_until > clock_timestamp()`

	dropLease = `DELETE FROM leases WHERE name = $1 AND holder = $2`

	dropLeases = `DELETE FROM leases WHERE greatest(until, next_until) < clock_timestamp() - interval '1 minute'`
)

// tryLease takes a lease, if nobody has it.
func (s *Store) tryLease(ctx context.Context, l *lease) (mine bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// Broken off by a client that leaves, it might be taken all the same.
	beyond := context.WithoutCancel(ctx)
	if mine, err = s.setLease(beyond, takeLease, l); err != nil {
		s.giveBack(beyond, l)
	}
	return mine, err
}

// setLease takes or renews a lease.
func (s *Store) setLease(ctx context.Context, sql string, l *lease) (mine bool, err error) {
	asked := time.Now()
	err = s.read(ctx, func(ctx context.Context) error {
		batch := l.batch()
		batch.Queue(sql, l.name, l.holder, l.term.Microseconds()).Exec(func(tag pgconn.CommandTag) error {
			mine = tag.RowsAffected() == 1
			return nil
		})
		return s.pool.SendBatch(ctx, batch).Close()
	})
	mine = mine && err == nil
	if mine {
		l.ends = asked.Add(l.term - l.reserve)
	}
	return mine, err
}

// batch returns what a change of the lease goes into.
func (l *lease) batch() *pgx.Batch {
	var batch pgx.Batch
	if l.brief {
		batch.Queue(`SELECT set_config('synchronous_commit', 'local', true)`)
	}
	return &batch
}

// giveBack ends a lease. Where the database does not learn of it the lease ends
// by itself.
func (s *Store) giveBack(ctx context.Context, l *lease) {
	_ = s.read(ctx, func(ctx context.Context) error {
		batch := l.batch()
		batch.Queue(endLease, l.name, l.holder)
		batch.Queue(dropLease, l.name, l.holder)
		return s.pool.SendBatch(ctx, batch).Close()
	})
}

// holdLease keeps a lease that was taken, until release is called or ctx ends.
// The context that it returns ends with either, and when the lease can't be
// renewed, before anybody else can take it.
func (s *Store) holdLease(ctx context.Context, l *lease) (held context.Context, release context.CancelFunc) {
	held, lose := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer lose()
		s.keepLease(held, l)
	}()
	return held, func() {
		lose()
		<-ended
	}
}

// keepLease renews a lease until held ends, and gives it back then, or until
// the lease is lost.
func (s *Store) keepLease(held context.Context, l *lease) {
	beyond := context.WithoutCancel(held)
	for {
		timer := time.NewTimer(min(leaseRenewal, time.Until(l.ends)))
		select {
		case <-held.Done():
			timer.Stop()
			s.giveBack(beyond, l)
			return
		case <-timer.C:
		}
		// To break a question off would end its connection.
		ctx, cancel := context.WithDeadline(beyond, l.ends)
		mine, err := s.setLease(ctx, renewLease, l)
		cancel()
		if err == nil && !mine || !time.Now().Before(l.ends) {
			return
		}
	}
}

// takeNow takes a lease, or returns [index.ErrInUse].
func (s *Store) takeNow(ctx context.Context, l *lease) error {
	mine, err := s.tryLease(ctx, l)
	if err == nil && !mine {
		err = index.ErrInUse
	}
	return err
}
