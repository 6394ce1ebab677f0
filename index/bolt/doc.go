// Package bolt keeps the index in one file, with bbolt.
//
// A change is on disk, and seen by all later calls, when its method returns,
// and it survives that the process or the machine dies at any moment. One
// goroutine makes all changes: those that come while it waits for the disk
// share its next transaction, so that many writers wait for one write. What a
// change does is decided by the rules of package ledger, which read what they
// need from the transaction; what they changed is written before the next change
// is made. Reads run beside it and never wait for it. Where a transaction fails,
// nothing of it has happened and the next may succeed; where nobody can know, or
// bbolt itself has panicked in it, no change is made until the file is opened
// again.
//
// One process at a time may have the file open. A file of an earlier format is
// brought to the present one when it is opened. One that is not an index, or
// that a later version wrote, is refused and not changed. Damage that bbolt can
// see is an error, [index.ErrDamaged], and no crash; bbolt has no checksums of
// its data, so what it can't see is left to verification against the registry.
//
// # Layout
//
// The buckets at the top of the file:
//
//	meta          name → number: format, generation, sequence, horizon,
//	              building, outbox; and while an index of an earlier format is
//	              brought forward moving and moved, where that is
//	generation-N  the records of the generation N; meta names the live one
//	intents       id → intent
//	open          where an intent is found by what it is about → nothing
//	removals      intents that are removals: 'i' id → intent; 'm' manifest → id;
//	              'r' repository id → nothing. It is made with the first
//	replaces      id of a push → the digests that it replaces, one behind the
//	              other. It is made with the first
//	changes       manifest → sequences of the last changes "gone" and "came"
//	history       sequence → time, manifest
//	unheld        manifest → nothing: no hidden tag holds it. It is made with
//	              the first
//	made          manifest → when the image was made. It is made with the first
//	journal-BOOK  the entries of a book of the journal: key → value. It is made
//	              with the first
//	news          'n' number → when, the record; 'r' repository, zero byte, number →
//	              nothing. It is there while the news are on
//	served        listings: what was served under a referrers tag → until when,
//	              tag, body; ends: until when, and that key → size. It is made
//	              with the first; its own number counts the bytes
//
// A rebuild can make a generation anew beside the live one. Its keys are, behind
// the number of the repository:
//
//	'm' digest                  a record → stamp, seen, edges, description
//	'r' subject digest          a referrer → artifact type, description
//	'c' subject created digest  a referrer → artifact type
//	't' subject type digest     a referrer → created; the type is its length in a
//	                            byte and its text
//	'p' target digest kind      an edge that is not that to a subject → nothing
//
// and behind the number 0, which no repository has:
//
//	'n' repository              a repository → its number
//	'k'                         the checkpoint of a rebuild
//	'y'                         how far the entries 't' are made, while the upkeep
//	                            makes those of a file of format 3
//
// The number of a repository takes four bytes, the highest first. It is given
// with the first record and not used again, so that a repository that is new
// comes behind all others. What belongs to a repository lies together: a change
// and a query find it in one tree, most of it on a few pages. Listings that go
// through repositories follow their names.
//
// The description is what a listing shows beside the digest: media type, size,
// annotations. A record that has a subject has it in its referrer alone, as
// pieces of JSON that a listing copies and need not encode. What can't be said
// so, for it isn't UTF-8 or has a quote in its type, is kept in both: in the
// referrer as the descriptor itself, as it is sent. The artifact type stands in
// front, so that a listing that leaves it out reads no further. A created is
// the key by which [index.SortCreated] orders, so that the latest referrers of
// a subject are found without looking at the others, as those of a type are.
//
// The keys of the other buckets begin with the name of the repository and a
// zero byte. Digests are one byte for the algorithm and the raw hash, so that
// keys come in the order of the digests' usual form. Numbers in keys and in meta
// are eight bytes, the highest first, but for those of repositories.
//
// The keys of open are, behind the repository:
//
//	'p' digest id           a push
//	'd' digest id           a delete
//	's' subject digest id   a push that has a subject
//	'i' tag 0 id            the import of a referrers tag
//
// so that one seek tells that nothing is open in a repository.
//
// The sequence counts the changes that make older readings of the upstream
// worthless, and is what a [index.Mark] holds. What is older than a day is
// dropped from changes and history, a few entries with each new one; horizon is
// the last that was dropped.
package bolt
