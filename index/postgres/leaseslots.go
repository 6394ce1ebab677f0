package postgres

import (
	"context"
	"hash/fnv"
	"strconv"
	"sync"
	"time"
)

// Taking and renewing a lease waits for a standby, without the lock of the
// writers. While there is none each would keep a connection for as long as the
// store waits, and leave a process of the server behind, which waits on: reads
// would find no connection, and the server would have none left. So a process
// has few under way at once, and the server as many as there are locks.

// leaseLocks is how many leases, of all processes, are taken at once, and how
// many are renewed.
const leaseLocks = 4

// leasing is what the leases of a store share. The zero value is ready.
type leasing struct {
	once sync.Once
	leaseSlots
	// background is what gives back, until it is done or the store is closed.
	background sync.WaitGroup
}

// leaseSlots have as much room as there may be under way at once. Leases that
// are held do not wait for those that are being taken.
type leaseSlots struct{ takes, renewals chan struct{} }

// slots returns those of a store, which are a quarter of its connections each.
func (l *leasing) slots(s *Store) leaseSlots {
	l.once.Do(func() {
		room := max(1, s.pool.Config().MaxConns/4)
		l.leaseSlots = leaseSlots{takes: make(chan struct{}, room), renewals: make(chan struct{}, room)}
	})
	return l.leaseSlots
}

// enter waits for room, until ctx ends or a time has come.
func enter(ctx context.Context, slots chan<- struct{}, by time.Time) error {
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return &unusableError{text: "those that take or renew leases wait for too long, as without the standby that commits wait for"}
	}
}

// leave makes room. A connection that was given up is one of the pool's until
// the server lets go of it, or pgx does after a quarter of a minute.
func (s *Store) leave(slots <-chan struct{}, l *lease) {
	if ending := l.ending; ending != nil && s.inBackground(func() {
		<-ending
		<-slots
	}) {
		return
	}
	<-slots
}

// leaseLock returns the lock that a lease is taken or renewed with.
func (s *Store) leaseLock(sql, name string) int64 {
	lock := lockTaking
	if sql == renewLease {
		lock = lockRenewing
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	return s.lockKey(lock + " " + strconv.Itoa(int(hash.Sum32()%leaseLocks)))
}
