package registry

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// CarryingOut carries out removals, one by one: it deletes the manifest upstream
// and writes what came of that. It may be used concurrently.
type CarryingOut struct {
	Own   OwnTags
	Store RemovalStore
	// RequestTime is how long a request may take effect in the upstream after it
	// was begun.
	RequestTime time.Duration
	Now         func() time.Time
	// Decider says that it is done with the credentials of who decided it: whatever
	// the upstream refuses it refuses for good. Of others it may refuse what they
	// may not do.
	Decider bool
}

// Removed is what came of a removal that was put to the upstream.
type Removed struct {
	// Gone says that the upstream has the manifest no more. Else Refusal is why it
	// never will be deleted, or Err why that is not known.
	Gone    bool
	Refusal *upstream.StatusError
	Err     error
}

// Do carries out a removal. One that the upstream refuses for good ends, and what it
// took away is listed again; one of which nothing is known, or whose manifest
// somebody is pushing, stays for whoever comes next.
func (c CarryingOut) Do(ctx context.Context, removal index.Intent) Removed {
	id, err := c.Store.Begin(ctx, index.Intent{
		Kind: index.IntentDelete, CarriesOut: removal.ID, Deadline: c.Now().Add(requestsOfARemoval * c.RequestTime),
		Record: index.Record{Repository: removal.Record.Repository, Manifest: index.Manifest{Digest: removal.Record.Digest}},
	})
	if errors.Is(err, index.ErrStale) {
		return c.ended(ctx, removal)
	}
	if err != nil {
		return Removed{Err: err}
	}
	err = c.Own.dropWithTag(ctx, c.Store, removal.Record.Repository, removal.Record.Digest)
	var status *upstream.StatusError
	switch {
	case err == nil, errors.Is(err, upstream.ErrNotFound):
		return Removed{Gone: true, Err: c.Store.Confirm(ctx, id, c.Now())}
	case !certainlyRefused(err):
		return Removed{Err: err}
	case errors.As(err, &status) && c.forGood(status):
		return Removed{Refusal: status, Err: errors.Join(c.Store.Cancel(ctx, id), c.Store.Cancel(ctx, removal.ID))}
	default:
		return Removed{Err: errors.Join(err, c.Store.Cancel(ctx, id))}
	}
}

// ended is what came of a removal that can't be carried out: somebody else did, or
// somebody pushes the manifest.
func (c CarryingOut) ended(ctx context.Context, removal index.Intent) Removed {
	present, err := c.Own.Has(ctx, removal.Record.Repository, removal.Record.Digest)
	if err == nil && present {
		err = errPushed
	}
	return Removed{Gone: err == nil, Err: err}
}

// errPushed means that a manifest was not deleted because somebody pushes it.
var errPushed = errors.New("the manifest is being pushed, or was since")

// forGood tells whether the upstream won't delete a manifest whoever asks again.
func (c CarryingOut) forGood(status *upstream.StatusError) bool {
	switch {
	case status.Status == http.StatusUnauthorized, status.Status == http.StatusTooManyRequests:
		return false
	case c.Decider:
		return true
	default:
		return !status.Denied() && !refusesAll(status)
	}
}

// carryOut carries out a removal as a caller. What was begun is seen to its end also
// where ctx ends meanwhile.
func (r *Registry) carryOut(ctx context.Context, caller *Caller, removal index.Intent, decider bool) Removed {
	ctx = context.WithoutCancel(ctx)
	repository, manifest := removal.Record.Repository, removal.Record.Digest
	r.forget(repository, manifest)
	came := CarryingOut{
		Own: OwnTags{Reader: r.reader(caller)}, Store: r.store, RequestTime: r.options.RequestTime, Now: r.now, Decider: decider,
	}.Do(ctx, removal)
	r.forget(repository, manifest)
	if came.Err != nil {
		Note(ctx, zap.NamedError("removal", came.Err))
	}
	return came
}

// mayDelete asks the upstream whether it lets the caller delete manifests of the
// repository, by the delete of one that is not there. A registry without deletes,
// and one that refuses the caller, says so here, before anything has changed. Most
// say of others that there is no such manifest; what else they may say of it
// decides nothing.
func (r *Registry) mayDelete(ctx context.Context, caller *Caller) error {
	err := OwnTags{Reader: r.reader(caller)}.deleteNothing(ctx, caller.repository)
	var status *upstream.StatusError
	if errors.Is(err, upstream.ErrNotFound) || errors.As(err, &status) && !status.Denied() && !status.Busy() && !refusesAll(status) {
		return nil
	}
	return err
}

// refusesAll tells whether the upstream has no deletes at all.
func refusesAll(status *upstream.StatusError) bool {
	return status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented || status.Unsupported()
}

// openRemovals bounds what a caller carries out of what others have left.
const openRemovals = 100

// finishRemovals carries out, as a caller who may delete, what was decided in the
// repository by others whose process or credentials are gone.
func (r *Registry) finishRemovals(ctx context.Context, caller *Caller) {
	open, err := r.store.Removals(ctx, caller.repository, 0, openRemovals)
	if err != nil {
		Note(ctx, zap.NamedError("removals", err))
		return
	}
	for _, removal := range open {
		// Those of the moment are being carried out.
		if r.now().After(removal.Deadline.Add(r.options.RequestTime)) {
			r.carryOut(ctx, caller, removal, false)
		}
	}
}

// remove makes removals of manifests, which go from all listings with that, and
// returns them in the order of the manifests.
func (r *Registry) remove(ctx context.Context, caller *Caller, manifests []digest.Digest) ([]index.Intent, error) {
	keys := make([]index.Key, len(manifests))
	for i, manifest := range manifests {
		keys[i] = index.Key{Repository: caller.repository, Digest: manifest}
	}
	at := r.now()
	ids, err := r.store.Remove(ctx, at, keys...)
	if err != nil {
		return nil, err
	}
	made := make([]index.Intent, len(ids))
	for i, id := range ids {
		made[i] = index.Intent{ID: id, Kind: index.IntentRemoval, Deadline: at, Record: index.Record{
			Repository: caller.repository, Manifest: index.Manifest{Digest: manifests[i]},
		}}
	}
	return made, nil
}
