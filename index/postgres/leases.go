package postgres

import (
	"context"
	"crypto/rand"
	"sync"
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
	// brief says that nobody misses it after a failover, so that to take it waits
	// for no standby, as to give back no lease does.
	brief bool
	// ends is when the holder takes it for lost, by the clock of the process.
	ends time.Time
	// doubtful says that nobody knows whether it was taken.
	doubtful bool
	// ending is closed when the connection that it was last asked for by has left
	// the pool; nil where that goes on.
	ending <-chan struct{}
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
	return s.tryLeaseBy(ctx, l, time.Now().Add(s.timeout))
}

// tryLeaseBy is [Store.tryLease] by a time.
func (s *Store) tryLeaseBy(ctx context.Context, l *lease, by time.Time) (mine bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	slots := s.leasing.slots(s).takes
	if err := enter(ctx, slots, by); err != nil {
		return false, err
	}
	// Broken off by a client that leaves, it might be taken all the same.
	beyond := context.WithoutCancel(ctx)
	mine, err = s.setLease(beyond, takeLease, l, by)
	s.leave(slots, l)
	if err != nil && l.doubtful && !l.brief {
		s.undoTake(l)
	}
	return mine, err
}

// setLease takes or renews a lease.
func (s *Store) setLease(ctx context.Context, sql string, l *lease, by time.Time) (mine bool, err error) {
	asked := time.Now()
	l.doubtful, l.ending = false, nil
	err = s.read(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithDeadline(ctx, by)
		defer cancel()
		var batch pgx.Batch
		if l.brief {
			batch.Queue(commitLocally)
		} else {
			batch.Queue(lockSQL, s.leaseLock(sql, l.name))
		}
		batch.Queue(sql, l.name, l.holder, l.term.Microseconds()).Exec(func(tag pgconn.CommandTag) error {
			mine = tag.RowsAffected() == 1
			return nil
		})
		return s.sendLease(ctx, l, &batch)
	})
	mine = mine && err == nil
	if mine {
		l.ends = asked.Add(l.term - l.reserve)
	}
	return mine, err
}

// sendLease sends what takes or renews a lease. What never got to a connection
// leaves no doubt.
func (s *Store) sendLease(ctx context.Context, l *lease, batch *pgx.Batch) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = outcome(conn.Conn(), conn.SendBatch(ctx, s.pool.complete(batch)).Close())
	if conn.Conn().IsClosed() {
		l.doubtful, l.ending = true, conn.Conn().PgConn().CleanupDone()
	}
	return err
}

// holdLease keeps a lease that was taken, until release is called or ctx ends.
// The context that it returns ends with either, and when the lease can't be
// renewed, before anybody else can take it.
func (s *Store) holdLease(ctx context.Context, l *lease) (held context.Context, release context.CancelFunc) {
	held, lose := context.WithCancel(ctx)
	ended := make(chan struct{})
	var lost bool
	go func() {
		defer close(ended)
		defer lose()
		lost = s.renewLease(held, l)
	}()
	return held, sync.OnceFunc(func() {
		lose()
		<-ended
		if lost {
			s.undoLost(l)
		}
	})
}

// renewLease renews a lease until held ends, and gives it back then, or until
// the lease is lost. Its row may be there then, and what it was taken for may
// go on for a while, so that it stays.
func (s *Store) renewLease(held context.Context, l *lease) (lost bool) {
	beyond := context.WithoutCancel(held)
	for {
		timer := time.NewTimer(renewIn(time.Until(l.ends)))
		select {
		case <-held.Done():
			timer.Stop()
			s.giveBack(beyond, l)
			return false
		case <-timer.C:
		}
		mine, err := s.renew(beyond, l)
		if err == nil && !mine || !time.Now().Before(l.ends) {
			return true
		}
	}
}

// renew renews a lease. To break the question off before the lease ends would
// end its connection.
func (s *Store) renew(ctx context.Context, l *lease) (mine bool, err error) {
	slots := s.leasing.slots(s).renewals
	if err := enter(ctx, slots, l.ends); err != nil {
		return false, err
	}
	defer s.leave(slots, l)
	return s.setLease(ctx, renewLease, l, l.ends)
}

// minRenewal is the least time between two renewals.
const minRenewal = 50 * time.Millisecond

// renewIn returns how long a lease that is held for so long still is left alone:
// what remains is the time that its renewal has.
func renewIn(left time.Duration) time.Duration {
	return min(leaseRenewal, max(left/2, min(left, minRenewal)))
}

// takeNow takes a lease, or returns [index.ErrInUse].
func (s *Store) takeNow(ctx context.Context, l *lease) error {
	mine, err := s.tryLease(ctx, l)
	if err == nil && !mine {
		err = index.ErrInUse
	}
	return err
}
