package index

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// Maintainer is what a store offers to those who keep it right beside the
// requests. Every [Store] of this module is one. What [Store] says of errors,
// concurrency and durability holds here too.
type Maintainer interface {
	Store

	// Intents lists open intents of all repositories in the order of their
	// identifiers: at most limit, those behind after. Removals are not among them:
	// [Remover.Removals] lists those.
	Intents(ctx context.Context, after IntentID, limit int) ([]Intent, error)

	// Records lists the live records in the order of their keys: at most
	// limit, those behind after. The zero Key precedes all others.
	Records(ctx context.Context, after Key, limit int) ([]Record, error)

	// Forget removes the record of a manifest that the upstream was found not
	// to have, the last time after mark was taken. Where it may have come
	// back since, nothing changes and the error is [ErrStale]. Where there is
	// no such record nothing changes.
	Forget(ctx context.Context, mark Mark, repository string, manifest digest.Digest) error

	// Correct replaces a record that says something else than its manifest, as
	// which it was read from the upstream after mark was taken. It keeps the
	// Seen that it has. Where the manifest may have been deleted since, nothing
	// changes and the error is [ErrStale]. Where there is no such record, or it
	// is right, nothing changes.
	Correct(ctx context.Context, mark Mark, record Record) error

	// Stats counts what is stored. It may take time in proportion to the
	// index.
	Stats(ctx context.Context) (Stats, error)

	Rebuilder
	Outbox
	News
	Journal
}

// Copier is a store that can copy itself. One whose medium has means of its own
// for that is none.
type Copier interface {
	// Backup writes a copy of the whole store, as of one instant, that can be
	// opened as a store. Changes go on meanwhile.
	Backup(ctx context.Context, w io.Writer) error
}

// Sizer is a store that tells cheaply how large it is. Every [Store] of this module
// is one.
type Sizer interface {
	// Size returns the size of the store on its medium, in bytes.
	Size(ctx context.Context) (int64, error)
}

// Role names what one process at a time may do with a store that several use.
type Role string

// The roles.
const (
	// RoleBackground is to settle, mirror and verify beside the requests.
	RoleBackground Role = "background"
	// RoleMaintenance is to rebuild or verify the index on demand.
	RoleMaintenance Role = "maintenance"
	// RoleRetention is to delete the referrers that rules remove.
	RoleRetention Role = "retention"
)

// Sharer is a store that several processes use at once.
type Sharer interface {
	// Hold takes a role until release is called or ctx ends. The context that
	// it returns ends with either, and when the process may lose the role, as
	// while the database is away, before another one can have it. Where another
	// process has it the error is [ErrInUse].
	Hold(ctx context.Context, role Role) (held context.Context, release context.CancelFunc, err error)
}

// Rebuilder builds a new generation of the records beside the live one. There
// is one rebuild at a time. From its begin to its end every change of a record
// goes to both generations, while queries see the live one alone.
type Rebuilder interface {
	// BeginRebuild begins a rebuild, with no records, or goes on with the one
	// that was begun before, also by an earlier process. It returns what Fill
	// saved last, nil where that is nothing.
	BeginRebuild(ctx context.Context) (checkpoint []byte, err error)

	// Fill records manifests in the new generation, under the conditions of
	// [Store.Observe], and saves the checkpoint with them in one transaction.
	// A record that the live generation has keeps its Seen. Without a rebuild
	// the error is [ErrNoRebuild].
	Fill(ctx context.Context, mark Mark, checkpoint []byte, records ...Record) error

	// Unfilled lists the records that the live generation has and the new one
	// lacks, in the order of their keys: at most limit, those behind after.
	// scanned is the key up to which it looked, for the next call; it is the
	// zero Key at the end. Without a rebuild the error is [ErrNoRebuild].
	Unfilled(ctx context.Context, after Key, limit int) (records []Record, scanned Key, err error)

	// FinishRebuild makes the new generation the live one and drops the other.
	// Without a rebuild the error is [ErrNoRebuild].
	FinishRebuild(ctx context.Context) error

	// AbandonRebuild drops the new generation. Without one nothing changes.
	AbandonRebuild(ctx context.Context) error
}

// Outbox remembers which listings have changed since they were last written
// to the upstream as a referrers tag.
type Outbox interface {
	// SetOutbox turns the outbox on or off. While it is on, every change of a
	// record that has a subject enters that subject, in the transaction of the
	// change. Turning it on enters the subjects of all records; turning it off
	// clears it. Both are without effect where it is so already. The setting
	// lasts beyond Close.
	SetOutbox(ctx context.Context, on bool) error

	// Changed lists entries in the order in which they were entered last: at
	// most limit, those behind after.
	Changed(ctx context.Context, after uint64, limit int) ([]Change, error)

	// Written removes an entry, unless its listing has changed since.
	Written(ctx context.Context, change Change) error
}

// Change is an entry of the outbox: a listing that has changed.
type Change struct {
	// Number grows with every change and is never used twice.
	Number     uint64
	Repository string
	Subject    digest.Digest
}

// Key names a record. Keys are ordered by repository, then by digest.
type Key struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
}

// Key returns the key of the record.
func (r Record) Key() Key {
	return Key{r.Repository, r.Digest}
}

// Stats are the counts of a store.
type Stats struct {
	Repositories int64 `json:"repositories"`
	Records      int64 `json:"records"`
	// Referrers are the records that have a subject.
	Referrers int64 `json:"referrers"`
	// Unheld are those of them that the upstream is known to hold by no hidden
	// tag: see [Store.SetUnheld].
	Unheld int64 `json:"unheld"`
	Edges  int64 `json:"edges"`
	// Intents are those that are open, but for removals.
	Intents int64 `json:"intents"`
	// Removals are those that are open.
	Removals int64 `json:"removals"`
	// Bytes is the size of the store on its medium.
	Bytes int64 `json:"bytes"`
	// Rebuilding is the number of records in the new generation, -1 where no
	// rebuild is under way.
	Rebuilding int64 `json:"rebuilding"`
}
