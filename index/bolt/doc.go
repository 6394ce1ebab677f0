// Package bolt keeps the index in one file, with bbolt.
//
// A change is on disk, and seen by all later calls, when its method returns,
// and it survives that the process or the machine dies at any moment. One
// goroutine makes all changes: those that come while it waits for the disk
// share its next transaction, so that many writers wait for one write. Reads
// run beside it and never wait for it.
//
// One process at a time may have the file open. A file that is not an index, or
// that a later version wrote, is refused and not changed. Damage that bbolt can
// see is an error, [index.ErrDamaged], and no crash; bbolt has no checksums of
// its data, so what it can't see is left to verification against the registry.
//
// # Layout
//
// The buckets at the top of the file:
//
//	meta          name → number: format, generation, sequence, horizon
//	generation-N  the buckets of the generation N; meta names the live one
//	intents       id → intent
//	open          where an intent is found by what it is about → nothing
//	changes       manifest → sequences of the last changes "gone" and "came"
//	history       sequence → time, manifest
//
// and those of a generation, which a rebuild can make anew beside the live one:
//
//	manifests     repository, digest → record
//	referrers     repository, subject, digest → artifact type, seen, descriptor
//	created       repository, subject, created, digest → artifact type
//	parents       repository, target, digest, kind → nothing
//
// A key begins with the repository and a zero byte. Digests are one byte for
// the algorithm and the raw hash, so that keys come in the order of the
// digests' usual form. Numbers in keys and in meta are eight bytes, the highest
// first. The descriptor of a referrer is the JSON that a listing shows, and the
// artifact type stands before it, so that a listing reads no JSON. A created is
// the key by which [index.SortCreated] orders, so that the latest referrers of
// a subject are found without looking at the others.
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
