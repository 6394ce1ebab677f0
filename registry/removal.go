package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// ErrNoDeletes means that the registry deletes no manifests, whoever asks for it.
// Nothing was changed.
var ErrNoDeletes = errors.New("the registry deletes no manifests; allow that in its configuration (CNCF Distribution: storage.delete.enabled)")

// RemovalStore is what a [Removal], and [CarryingOut], needs of the index: methods of
// [index.Ledger].
type RemovalStore interface {
	Begin(ctx context.Context, intent index.Intent) (index.IntentID, error)
	Confirm(ctx context.Context, id index.IntentID, at time.Time) error
	Cancel(ctx context.Context, id index.IntentID) error
	unholder
}

// Removal deletes manifests that a rule has decided to delete, one by one: beside it
// only [CarryingOut] deletes manifests for others. It may be used concurrently.
type Removal struct {
	*Reader
	Store RemovalStore
	// RequestTime is how long a request may take effect in the upstream after it
	// was begun.
	RequestTime time.Duration
	// Now tells the time.
	Now func() time.Time
	// Forget is told of the manifest before and after; nil for nobody.
	Forget func(repository string, manifest digest.Digest)
	// Hold keeps those out who would hold the manifest, from before it is made sure
	// that nobody does until release is called: see [Registry.HoldForRemoval]. nil keeps
	// nobody out.
	Hold func(ctx context.Context, repository string, manifest digest.Digest) (release func(), err error)
	// Audit is told of what was deleted; nil for nobody. It must not wait.
	Audit func(ctx context.Context, event AuditEvent)
}

// requestsOfARemoval is how many requests a removal sends at most, one after another,
// each of which may take effect late.
const requestsOfARemoval = 3

// Remove deletes the manifest that an event of [AuditDeleted] is about, by its
// digest, and takes it from the listings. Most registries take the tags of a
// manifest along; of one that refuses to delete what is tagged the hidden tag is
// deleted first, and given back where that was not why. still is asked just before
// the upstream is, and its error is returned as it is, with nothing changed. A
// manifest that is gone already is no error.
//
// The error matches [ErrHeld] where a locked tag holds the manifest, and
// [ErrNoDeletes] where the registry deletes nothing, or is a
// [*upstream.StatusError] where it refuses this delete; then nothing was changed.
// Where nobody knows whether the delete was carried out the intent stays open, which has the
// registry asked later.
func (m Removal) Remove(ctx context.Context, event AuditEvent, still func(ctx context.Context) error) error {
	repository, manifest := event.Repository, event.Digest
	if m.Hold != nil {
		release, err := m.Hold(ctx, repository, manifest)
		if err != nil {
			return err
		}
		defer release()
	}
	id, err := m.Store.Begin(ctx, index.Intent{
		Kind: index.IntentDelete, Record: index.Record{Repository: repository, Manifest: index.Manifest{Digest: manifest}},
		Deadline: m.Now().Add(requestsOfARemoval * m.RequestTime),
	})
	if err != nil {
		return err
	}
	// What was asked for is carried to its end: a request that is broken off may
	// take effect later.
	within := context.WithoutCancel(ctx)
	if err := still(ctx); err != nil {
		return errors.Join(err, m.Store.Cancel(within, id))
	}
	m.forget(repository, manifest)
	err = OwnTags{Reader: m.Reader}.dropWithTag(within, m.Store, repository, manifest)
	m.forget(repository, manifest)
	switch {
	case err == nil:
		if m.Audit != nil {
			m.Audit(ctx, event)
		}
		return m.Store.Confirm(within, id, m.Now())
	case errors.Is(err, upstream.ErrNotFound):
		return m.Store.Confirm(within, id, m.Now())
	case certainlyRefused(err), errors.Is(err, ErrNoDeletes):
		return errors.Join(err, m.Store.Cancel(within, id))
	default:
		return fmt.Errorf("nobody knows yet whether it was deleted: %w", err)
	}
}

func (m Removal) forget(repository string, manifest digest.Digest) {
	if m.Forget != nil {
		m.Forget(repository, manifest)
	}
}

// unholder notes that a referrer is held by no tag: see [index.Ledger].
type unholder interface {
	SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error
}

// dropWithTag deletes a manifest by its digest. Where the registry refuses that and
// the reason may be the hidden tag, the tag is deleted first, and given back where
// that was not why.
func (o OwnTags) dropWithTag(ctx context.Context, notes unholder, repository string, manifest digest.Digest) error {
	err := o.dropManifest(ctx, repository, manifest)
	if !mayBeForTheTag(err) {
		return err
	}
	if untagErr := o.DropHidden(ctx, repository, manifest); untagErr != nil {
		return err
	}
	again := o.dropManifest(ctx, repository, manifest)
	if errors.Is(again, upstream.ErrNotFound) {
		return nil // It went with its tag.
	}
	if again != nil {
		if heldErr := o.WriteHidden(ctx, repository, manifest); heldErr != nil {
			return errors.Join(again, heldErr, notes.SetUnheld(ctx, repository, manifest, true))
		}
	}
	return again
}

// dropManifest deletes a manifest by its digest.
func (o OwnTags) dropManifest(ctx context.Context, repository string, manifest digest.Digest) error {
	return o.ask(ctx, func(ctx context.Context) error {
		err := o.Upstream.DeleteManifest(ctx, o.As, repository, manifest)
		var status *upstream.StatusError
		if errors.As(err, &status) && refusesAll(status) {
			return fmt.Errorf("%w: %w", ErrNoDeletes, err)
		}
		return err
	})
}

// mayBeForTheTag tells whether a delete may have been refused because the manifest is
// tagged.
func mayBeForTheTag(err error) bool {
	var status *upstream.StatusError
	return errors.As(err, &status) && !errors.Is(err, ErrNoDeletes) && refusesTagged(status.Status)
}

// certainlyRefused tells whether an error says that the upstream did not carry the
// request out.
func certainlyRefused(err error) bool {
	var status *upstream.StatusError
	return errors.As(err, &status) && refusedBy(status.Status)
}
