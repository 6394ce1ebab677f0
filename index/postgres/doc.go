// Package postgres keeps the index in a schema of a PostgreSQL database, where
// several processes share it.
//
// A change is on disk, and seen by all later calls of every process, when its
// method returns: the store's sessions commit synchronously, whatever the
// default of the server, and with standbys where the server is set to wait for
// them ([Durability]). Where a connection is lost during a commit, or the server
// warns, nobody knows whether it happened, and the method returns an error.
//
// No statement is ever cancelled by a request to the server: a commit whose wait
// for a standby is cancelled succeeds, with a warning, and is on the primary
// alone. A connection whose statement is given up is closed, and a commit goes
// on waiting, unseen, with the lock of the writers.
//
// # Failover
//
// A standby is refused, and so is a server that another has been promoted in
// place of, as far as the process has seen: by the timeline, which connections
// and changes ask for, and of each host where the URL names several. With a new timeline the history begins anew, behind all
// marks that were given, because a primary may have shown what its standby never
// got.
//
// # Writing
//
// One goroutine of each process makes its changes. Those that come while it
// waits for the database share its next transaction: it takes an advisory lock
// of the schema, reads all that the changes are about, makes them in memory, and
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
// What one process at a time may do beside that, as rebuilding, has a role
// ([Store.Hold]), which is an advisory lock of a connection.
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
//
// Digests are one byte for the algorithm and the raw hash, so that they come in
// the order of their usual form. Names have the collation "C". A record is kept
// in columns: what it is found and ordered by, what a listing shows (shown: a
// media type, a size, and the annotations as JSON), and the rest (kept: when it
// was seen, and its edges but the subject's). An intent is about a compact
// digest, or about a zero byte and a referrers tag.
//
// schema.sql and served.sql make the tables at the first opening, and the latter
// its own in a schema of before. A schema that a later version made is
// [index.ErrFormat], and is not changed.
package postgres
