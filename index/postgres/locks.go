package postgres

import (
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// The advisory locks of a schema, each of a transaction and never of a session,
// which may be another's once the transaction has ended.
const (
	// lockWriting is held by whoever changes records or intents, until the
	// change is committed.
	lockWriting = "writing"
	// lockUpkeep is held by whoever drops what is no longer used.
	lockUpkeep = "upkeep"
	// lockJournal is held by whoever changes the journal, which several entries
	// at once would have wait for each other in circles.
	lockJournal = "journal"
	// lockTaking and lockRenewing, of each of which there are [leaseLocks], are
	// held by whoever takes or renews a lease until the change is committed. They
	// bound how many do, and keep nobody out: that the row of the lease does.
	lockTaking   = "taking leases"
	lockRenewing = "renewing leases"
)

const lockSQL = `SELECT pg_advisory_xact_lock($1)`

// lockRow locks the row that there is one of. Writers take it beside their
// advisory lock: some that speak PostgreSQL's protocol have advisory locks that
// keep nobody out, and none have such rows.
const lockRow = `SELECT one FROM meta FOR UPDATE`

// lockKey returns the number of a lock in the database. Schemas have locks of
// their own.
func (s *Store) lockKey(lock string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("backref\x00" + s.schema + "\x00" + lock))
	return int64(hash.Sum64()) //nolint:gosec // The bits are meant.
}

// queueLock queues what keeps other writers out until the transaction ends.
func (s *Store) queueLock(batch *pgx.Batch) {
	batch.Queue(lockSQL, s.lockKey(lockWriting))
	batch.Queue(lockRow)
}
