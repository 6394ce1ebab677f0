// Package postgres keeps the index in a schema of a PostgreSQL database, where
// several processes share it.
//
// A change is on disk, and seen by all later calls of every process, when its
// method returns: the store's transactions commit synchronously, whatever the
// default of the server. Where a connection is lost during a commit, nobody
// knows whether it happened, and the method returns an error.
//
// # Writing
//
// One goroutine of each process makes its changes. Those that come while it
// waits for the database share its next transaction: it takes an advisory lock
// of the schema and the lock of a row, reads all that the changes are about, makes them in memory, and
// writes what has become of it and commits. That takes two round trips, however
// many changes there are. The lock is held until the commit, so that of all
// processes one writes at a time, and each sees what the others have written.
// The database lets go of it where a process dies, or stays away for longer
// than Options.Timeout within a transaction.
//
// So the numbers of the history become visible in their order, and a
// [index.Mark], which is the newest that is visible, says of all smaller ones
// that they were there when it was taken. Reads need no lock.
//
// # Leases
//
// What one process at a time may do beside that, as rebuilding, has a role
// ([Store.Hold]), and so has the tag that is written by one process at a time
// ([Store.LockTag]). Both are leases: rows that say who has it, and until when
// by the database's clock, renewed long before. The holder's context ends some
// seconds before another one can have the lease, so that clocks may jump by
// less than that. Of a process that was killed a lease is free when it ends.
//
// # Sessions
//
// No lock outlives its transaction, and nothing rests on a session but speed.
// Where a connection has a session of its own, as is seen when it begins, that
// is given the settings and keeps prepared statements. Where something between
// shares sessions, as a pooler in transaction mode does, or hides them, as it
// does in session mode, each transaction brings its settings along and each
// statement goes by itself, in the same round trips. See [sessions].
//
// Open has the database show what all that rests on, and fails with the reason
// where it doesn't hold: that a row which one connection has locked, or a lease
// that it has taken, is refused to another, and that the settings of a
// transaction hold in it.
//
// # Tables
//
//	meta          one row: the format, the generations live, in the making and
//	              given last, whether the outbox is on, the horizon
//	repositories  a repository of a generation, and its number
//	manifests     records, by the number of their repository
//	parents       target → manifest and kind, for all edges but the subject's
//	checkpoints   how far the rebuild is
//	intents       open intents
//	history       number → time, one a minute and the newest
//	changes       what intents are about → numbers of the last "gone" and "came"
//	outbox        listings that have changed
//	passes        walks that enter listings, where they are
//	served        what was served under referrers tags, and until when it is kept
//	unheld        referrers that the upstream holds by no hidden tag
//	leases        who has a role or a tag, until when, and who is next
//
// Digests are one byte for the algorithm and the raw hash, so that they come in
// the order of their usual form. Names have the collation "C". A record is kept
// in columns: what it is found and ordered by, what a listing shows (shown: a
// media type, a size, and the annotations as JSON), and the rest (kept: when it
// was seen, and its edges but the subject's). An intent is about a compact
// digest, or about a zero byte and a referrers tag.
//
// schema.sql and the other files make the tables at the first opening, and the
// latter theirs in a schema of before. A schema that a later version made is
// [index.ErrFormat], and is not changed.
package postgres
