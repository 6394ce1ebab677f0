// Package postgres keeps the index in a schema of a PostgreSQL database, where
// several processes share it.
//
// A change is on disk, and seen by all later calls of every process, when its
// method returns: the store's transactions commit synchronously, whatever the
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
// and changes ask for, and of each host where the URL names several. With a new
// timeline the history begins anew, behind all marks that were given, because a
// primary may have shown what its standby never got.
//
// # Writing
//
// One goroutine of each process makes its changes. Those that come while it
// waits for the database share its next transaction: it takes an advisory lock
// of the schema and the lock of a row, reads all that the changes are about,
// has the rules of package ledger decide in memory, and writes what has become
// of it and commits. That takes two round trips, however many changes there
// are. The lock is held until the commit, so that of all processes one writes at
// a time, and each sees what the others have written. The database lets go of it
// where a process dies, or stays away for longer than Options.Timeout within a
// transaction.
//
// So the numbers of the history become visible in their order, and a
// [index.Mark], which is the newest that is visible, says of all smaller ones
// that they were there when it was taken. Reads need no lock.
//
// # Following
//
// Each transaction that changes what listings are made of enters which they are into
// a table, under the next number. A process that keeps listings asks, once for all
// that wait, what was entered behind the number that it has seen last
// ([Store.CatchUp]), so that what another has acknowledged before counts. The row of
// that number has to be there still, with its nonce: else everything may have changed,
// as where a process has missed too much, or a server has taken the place of another
// and gives the same numbers again. What is written in another way than by a batch of
// changes, also by the version before and by an operator, is entered as a change of
// all listings by triggers.
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
// Taking and renewing a lease waits for the standbys that commits wait for, a few
// at a time; giving it back does not. Where the server isn't set to wait for one
// ([DurabilityLocal]), or what it waited for is not what is promoted, a lease may
// be missing after a failover: two have it then, until the first finds out when
// it renews it, and for as long as the lease lasts at most.
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
//	meta          one row: the format that a process has to know at least, the
//	              generations live, in the making and given last, whether the
//	              outbox and the news are on, the horizon
//	steps         which steps were made of those that make the tables
//	repositories  a repository of a generation, and its number
//	manifests     records, by the number of their repository
//	parents       target → manifest and kind, for all edges but the subject's
//	checkpoints   how far the rebuild is
//	intents       open intents
//	removals      those of them that are removals
//	history       number → time, one a minute and the newest
//	touches       number → listings that a transaction may have changed, the newest
//	changes       what intents are about → numbers of the last "gone" and "came"
//	outbox        listings that have changed
//	news          what came to be listed, and when
//	passes        walks that enter listings, where they are
//	served        what was served under referrers tags, and until when it is kept
//	unheld        referrers that the upstream holds by no hidden tag
//	made          when images were made, as what they name says
//	journal       entries of the books of the journal
//	leases        who has a role or a tag, until when, and who is next
//
// Digests are one byte for the algorithm and the raw hash, so that they come in
// the order of their usual form. Names have the collation "C". A record is kept
// in columns: what it is found and ordered by, what a listing shows (shown: a
// media type, a size, and the annotations as JSON), and the rest (kept: when it
// was seen, and its edges but the subject's). An intent is about a compact
// digest, or about a zero byte and a referrers tag.
//
// # Versions
//
// Processes of two versions that follow each other use the tables at the same
// time, while one replaces the other. So the tables change by steps, each a file
// in steps and a line in the list of migrate.go, which Open makes in one
// transaction that keeps writers out:
//
//   - A step adds: a table, a column with a default or none, an index of a small
//     table. The version before goes on without knowing. A step takes a moment;
//     what has to be computed for all rows is done little by little by the
//     upkeep, and read in both ways until then.
//   - What a version no longer uses it leaves as it is, for the version before
//     still does. It raises formatVersion, which says that it can do without.
//   - The version after that one drops it, by a step that also sets the format
//     in meta to that number. Whoever doesn't know it is refused at opening, and
//     with each change if it runs still, by [index.ErrFormat].
//
// So a version and the next can be mixed, and an update can be taken back, as
// long as none is skipped; with a skipped one, old processes are stopped before
// new ones start.
package postgres
