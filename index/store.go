package index

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
)

// Errors that every store returns.
var (
	// ErrNotFound means that the index has no such record.
	ErrNotFound = errors.New("not in the index")
	// ErrFormat means that the index was written in a format that this
	// version does not know: a later one. Nothing is changed.
	ErrFormat = errors.New("index has an unknown format")
	// ErrDamaged means that the index cannot be read. Nothing is overwritten.
	ErrDamaged = errors.New("index is damaged")
	// ErrInUse means that another process holds the index.
	ErrInUse = errors.New("index is in use by another process")
	// ErrInvalid means that a repository, digest or tag is not one, or that an
	// intent has no known kind.
	ErrInvalid = errors.New("not valid")
	// ErrStale means that what was read from the upstream may have been
	// overtaken by a push or delete. Nothing is changed: take a new mark and
	// read again.
	ErrStale = errors.New("overtaken by a later change")
	// ErrNoRebuild means that no rebuild is under way.
	ErrNoRebuild = errors.New("no rebuild is under way")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("index is closed")
)

// Store keeps records and intents durably. All methods may be called
// concurrently, and each is one transaction: it takes effect whole or, where
// it returns an error, not at all. A change is on disk when its method
// returns. Methods that wait honour ctx; a change whose ctx ends while it is
// being written may still take effect, and so may one during which the medium
// failed.
//
// Errors are those of the medium, of ctx, [ErrInvalid], [ErrDamaged],
// [ErrClosed], or the ones named at each method.
//
// A listing is right when [Store.Unsettled] is asked first, all that it returns
// is asked of the upstream and settled, again from the start where a finding
// was stale, and [Store.Referrers] is asked then: it shows what the upstream
// holds of the pushes made through the store, unless that changed meanwhile.
//
// A store may end a delete by itself when its deadline is past, nothing that it
// would remove is recorded, and no push of it is open.
type Store interface {
	Reader
	Ledger

	// Close ends the store after the calls under way. Later calls, of Close
	// too, return [ErrClosed].
	Close() error
}

// Reader shows the records of one repository. What [Store] says of errors and
// concurrency holds here too.
type Reader interface {
	// Get returns a record, or [ErrNotFound].
	Get(ctx context.Context, repository string, manifest digest.Digest) (Record, error)

	// Referrers lists the records of a repository that have the subject and
	// that the query selects, in its order. An unknown repository or subject
	// has none. Pages that follow each other show every entry that is there
	// throughout exactly once, whatever comes and goes meanwhile.
	Referrers(ctx context.Context, repository string, subject digest.Digest, query Query) (Page, error)

	// Manifests lists the records of a repository that the query selects, in
	// its order, and reports whether there are more. What its MaxBytes bounds
	// is the size of the records as they are kept.
	Manifests(ctx context.Context, repository string, query Query) (records []Record, more bool, err error)

	// Parents lists the manifests of a repository that name target, in the
	// order of their digests and kinds: at most limit, those after the given
	// one. The zero Parent precedes all others; a limit of 0 means none.
	Parents(ctx context.Context, repository string, target digest.Digest, after Parent, limit int) ([]Parent, error)

	// Subjects returns the subjects of manifests of a repository, in the order
	// of the manifests: an empty one for a manifest that has none or is not
	// recorded. It is for many manifests at once.
	Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error)

	// Around returns what is known of some manifests of a repository and of what
	// refers to each: at most so many of its referrers, 1 at least. The manifests
	// that nothing is known of are left out. It is for many manifests at once; what
	// it returns of two of them need not be of the same instant.
	Around(ctx context.Context, repository string, manifests []digest.Digest, most int) (map[digest.Digest]Around, error)

	// Made returns what [Ledger.SetMade] noted of manifests. Those of which
	// nothing is noted are left out.
	Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error)
}

// Ledger keeps what is known of pushes and deletes, and of what was read from the
// upstream: package ledger has the rules. What [Store] says of errors,
// concurrency and durability holds here too.
type Ledger interface {
	// SetUnheld notes that the upstream holds a referrer by no hidden tag
	// (see [oci.HiddenTag]), or takes such a note back. The manifest need not be
	// recorded yet; the note goes with its record. [Stats] counts the notes.
	SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error

	// SetMade notes when images were made, as something says that they name by its
	// digest: their config, or the images that they list. The zero Time notes that
	// nothing does. A note goes with its record; of a manifest that is not recorded
	// nothing is noted.
	SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error

	// Mark returns the present point in the history of the store.
	Mark(ctx context.Context) (Mark, error)

	// Observe records manifests that were read from the upstream after mark
	// was taken. One that is recorded already stays as it is. Where one that
	// is not may have been deleted since the mark, none is recorded and the
	// error is [ErrStale].
	Observe(ctx context.Context, mark Mark, records ...Record) error

	// Begin records an intent and returns its identifier. An open intent of
	// the opposite kind for the same manifest makes both contended. The error is
	// [ErrStale] where a delete carries out a removal and may not: see
	// [Intent.CarriesOut].
	Begin(ctx context.Context, intent Intent) (IntentID, error)

	// Confirm says that the upstream carried the intent out at the given time:
	// a push is recorded, a delete removes the record, and the intent ends. Of
	// an import it says that the tag's entries are recorded too.
	//
	// A contended one changes nothing instead and stays open, with the given
	// time as its deadline, until a finding settles it: which of the two came
	// last, only the upstream can tell. An intent that has ended already is
	// left alone.
	Confirm(ctx context.Context, id IntentID, at time.Time) error

	// Cancel says that the upstream refused the intent: it ends without
	// effect. An intent that has ended already is left alone.
	Cancel(ctx context.Context, id IntentID) error

	// Settle applies what the upstream said to an open intent:
	//
	//	push, present    recorded, and the intent marked so; see [Remover]
	//	push, absent     no effect; a contended one takes the record with it
	//	delete, absent   the record is removed
	//	delete, present  no effect
	//	import           no effect; one that is not present stays open
	//
	// and ends it if the finding is from after its deadline: before that the
	// request may still be carried out. A finding that may have been overtaken
	// since its mark, as [Mark] says, changes nothing, and the error is
	// [ErrStale]; an import's never is. An intent that has ended already is
	// left alone.
	Settle(ctx context.Context, id IntentID, finding Finding) error

	// Unsettled returns the open intents that may change the listing of a
	// subject, oldest first: pushes with that subject, deletes of what is
	// recorded or being pushed with it, and imports of its referrers tag. A
	// removal is none: its manifest is listed no more.
	Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]Intent, error)

	// Open tells whether any intent of a repository is open: where none is,
	// [Ledger.Unsettled] has none of any subject there. A removal is none.
	Open(ctx context.Context, repository string) (bool, error)

	Remover
}

// Versioner is a [Store] that tells cheaply whether a listing may have changed,
// so that what was made of it can be used again.
type Versioner interface {
	// Version returns a number that is another one, and never an earlier one,
	// once [Store.Referrers] or [Store.Unsettled] may answer differently for
	// the subject whose [oci.ReferrersTag] is given: from before the change that
	// causes it is acknowledged, where the store is no [Follower]. It may be another
	// one without that. It costs no I/O and does not fail.
	Version(repository, referrersTag string) uint64
}

// Follower is a [Versioner] whose listings others change too: its versions tell of
// the changes of other processes up to when it has caught up with them last.
type Follower interface {
	Versioner
	// CatchUp returns once [Versioner.Version] tells of all changes that were
	// acknowledged before the call, by whichever process. Calls that wait at the same
	// time share what they wait for. Errors are those of the medium, of ctx, and
	// [ErrClosed]; then nothing is known of the listings.
	CatchUp(ctx context.Context) error
}

// LateConfirmer is a [Store] that can confirm at its leisure.
type LateConfirmer interface {
	// ConfirmLater is [Store.Confirm] for a caller that nobody waits for: it
	// may take some milliseconds more, in which other changes come to share
	// the wait for the disk.
	ConfirmLater(ctx context.Context, id IntentID, at time.Time) error
}

// Page is a part of a listing.
type Page struct {
	Referrers []Referrer
	// More says that the listing goes on behind the last referrer.
	More bool
}

// Referrer is an entry of a listing, its descriptor encoded as it is sent.
type Referrer struct {
	Digest       digest.Digest
	ArtifactType string
	// Key is what the query's order puts before the digest: see [Order.Key].
	Key string
	// Created is the time by which [SortCreated] orders, where the query is
	// Dated.
	Created time.Time
	// Descriptor is the JSON encoding of a [oci.Descriptor].
	Descriptor json.RawMessage
}

// Cursor returns the place of the entry in the order that it was listed in.
func (r Referrer) Cursor() Cursor {
	return Cursor{Key: r.Key, Digest: r.Digest}
}

// Parent is a manifest that names the digest asked for.
type Parent struct {
	Digest digest.Digest
	Kind   EdgeKind
}
