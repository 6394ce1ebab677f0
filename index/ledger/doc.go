// Package ledger holds the rules of the index: what becomes of records, intents
// and the history when a push, a delete or an import begins and ends, when the
// upstream is asked, when a manifest is read, and while an index is rebuilt. The
// rules are those that package index promises at [index.Store],
// [index.Maintainer] and [index.Rebuilder].
//
// The package is a state machine without I/O. A [Matter] is one manifest or
// referrers tag of one repository. What is known of it goes in by [Known], which
// a store implements and which is asked only for what a rule needs; what changes
// comes out by the accessors of the Matter ([Matter.Version], [Matter.Intents],
// [Matter.History], [Matter.Removed]) and of the [State], which holds what there
// is one of. The store saves that in one transaction, or drops it: a Matter that
// returned an error other than a refusal ([Refuses]) is worthless.
//
// What the package leaves to stores: which repositories, digests and tags are
// valid, how anything is encoded, identifiers of intents, transactions, the age
// of the history, and the listings that queries read.
//
// Nothing here may be used by several goroutines at once. A store has one
// goroutine that writes.
package ledger
