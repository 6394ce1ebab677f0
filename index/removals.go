package index

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// MaxReplaces is how many manifests a push can replace at once.
const MaxReplaces = 100

// Remover keeps removals: deletes that have been decided, and are carried out
// however long that takes. What [Store] says of errors, concurrency and durability
// holds here too.
//
// While the removal of a manifest is open the manifest is not recorded, in no
// generation, and nothing that is read from the upstream records it: what
// [Ledger.Observe], [Rebuilder.Fill] and [Maintainer.Correct] are given of it is
// left out without an error. The removal holds the record that it took away. It
// ends when the manifest is gone, when the upstream won't delete it, or when a push
// that began after it has succeeded. Nothing else ends it; its deadline does not.
//
// Of a push and a removal of one manifest the later one wins, and that is told by
// which of them began first, by its identifier: the client that pushes after a
// removal was decided wants the manifest there, and the removal never deletes what
// was pushed so. What happens in a repository where the removal r of a manifest is
// open, p is a push of that manifest and d a delete:
//
//	r confirmed                        the manifest is gone: r ends
//	r settled, absent                  the same
//	r settled, present                 nothing
//	r cancelled                        r ends, and the record it holds is recorded
//
//	p began after r and is confirmed   recorded, and r ends
//	p after r, settled, present        the same
//	p after r, cancelled, or absent    p ends, r goes on
//	p began before r, confirmed        p ends and is not recorded; r holds its record
//	p before r, settled, present       not recorded either
//	p before r, cancelled, or absent   p ends, r goes on
//
//	d begins for r                     refused while a push p is open: it could
//	                                   delete what was pushed after r was decided
//	p begins while d is open           both are contended, as always: which came
//	                                   last the upstream is asked. r goes on
//	d confirmed, not contended         the manifest is gone: r ends
//	d settled, absent                  the same
//	d cancelled, or present            d ends, r goes on
//
// While a push that began before r is open, nothing shows that the manifest is
// gone: it may come yet, so that r goes on. An acknowledged push is listed, or what
// it brought has been removed by a decision that came after it began.
//
// A removal is carried out by a delete that names it ([Intent.CarriesOut]), which is
// confirmed, cancelled and settled as any other.
type Remover interface {
	// Remove has each manifest become a removal, decided at the given time, all in
	// one transaction: its record goes, and listings change with it. A manifest of
	// which nothing is recorded gets a removal too. One whose removal is open keeps
	// that, unless a push of it began since: then a new one takes its place. It
	// returns the identifiers of the removals that are open now, one for each
	// manifest, in their order.
	Remove(ctx context.Context, at time.Time, manifests ...Key) ([]IntentID, error)
	// Removals lists the open removals of a repository, or of all where it is empty,
	// in the order of their identifiers: at most limit, those behind after. A limit
	// of 0 means none. A repository that has none costs next to nothing.
	Removals(ctx context.Context, repository string, after IntentID, limit int) ([]Intent, error)
	// Removing returns the open removals of manifests of a repository, by the
	// manifests. Those that have none are left out. It is for many at once.
	Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]IntentID, error)
}

// TookAway tells whether a removal holds the record of its manifest.
func (i Intent) TookAway() bool {
	return i.Kind == IntentRemoval && i.Record.MediaType != ""
}

// CheckRemovals returns [ErrInvalid] where an intent that is to begin names
// manifests that it can't replace, or a removal that it can't carry out. The digests
// themselves are for stores to check.
func (i Intent) CheckRemovals() error {
	switch {
	case i.CarriesOut != 0 && i.Kind != IntentDelete:
		return fmt.Errorf("%w: a %s that carries out a removal", ErrInvalid, i.Kind)
	case len(i.Replaces) == 0:
		return nil
	case i.Kind != IntentPush:
		return fmt.Errorf("%w: a %s that replaces manifests", ErrInvalid, i.Kind)
	case len(i.Replaces) > MaxReplaces:
		return fmt.Errorf("%w: a push that replaces %d manifests, more than %d", ErrInvalid, len(i.Replaces), MaxReplaces)
	case slices.Contains(i.Replaces, i.Record.Digest):
		return fmt.Errorf("%w: a push that replaces itself", ErrInvalid)
	default:
		return nil
	}
}
