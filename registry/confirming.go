package registry

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// maxConfirming bounds the outcomes that are written behind their requests;
// beyond it a request waits for its own.
const maxConfirming = 1024

// confirmingStore is a store to which the outcome of a push is written while
// the client has its answer already: the intent is durable, and has the
// upstream asked should the writing fail. Whoever reads or deletes in the
// repository meanwhile waits for it, and so finds all that was acknowledged.
//
// It names every method of the store, so that none is without a decision
// whether it waits.
type confirmingStore struct {
	store index.Store

	mutex sync.Mutex
	// pending are the outcomes under way by repository, each with a channel
	// that is closed when it is written, or can't be.
	pending map[string]map[chan struct{}]struct{}
	count   int
	// idle is signalled when none is left.
	idle sync.Cond
}

func newConfirmingStore(store index.Store) *confirmingStore {
	s := &confirmingStore{store: store, pending: map[string]map[chan struct{}]struct{}{}}
	s.idle.L = &s.mutex
	return s
}

// confirmBehind confirms an intent of a repository when the caller has gone on,
// or at once where too many are under way. From its return on, readers wait for
// that. ended is called with what came of it.
func (s *confirmingStore) confirmBehind(ctx context.Context, repository string, id index.IntentID, at time.Time, ended func(error)) {
	confirm := s.Confirm
	if late, able := s.store.(index.LateConfirmer); able {
		confirm = late.ConfirmLater
	}
	write := func() { ended(confirm(ctx, id, at)) }
	written := make(chan struct{})
	if !s.enter(repository, written) {
		write()
		return
	}
	go func() {
		defer s.leave(repository, written)
		write()
	}()
}

func (s *confirmingStore) enter(repository string, written chan struct{}) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.count >= maxConfirming {
		return false
	}
	s.count++
	here := s.pending[repository]
	if here == nil {
		here = map[chan struct{}]struct{}{}
		s.pending[repository] = here
	}
	here[written] = struct{}{}
	return true
}

func (s *confirmingStore) leave(repository string, written chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	close(written)
	here := s.pending[repository]
	if delete(here, written); len(here) == 0 {
		delete(s.pending, repository)
	}
	if s.count--; s.count == 0 {
		s.idle.Broadcast()
	}
}

// wait waits for the outcomes in a repository that are under way now.
func (s *confirmingStore) wait(ctx context.Context, repository string) error {
	for _, written := range s.underway(repository) {
		select {
		case <-written:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *confirmingStore) underway(repository string) []chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	here := s.pending[repository]
	if len(here) == 0 {
		return nil
	}
	all := make([]chan struct{}, 0, len(here))
	for written := range here {
		all = append(all, written)
	}
	return all
}

// waitAll waits for the outcomes that are under way now, wherever.
func (s *confirmingStore) waitAll(ctx context.Context) error {
	s.mutex.Lock()
	repositories := slices.Collect(maps.Keys(s.pending))
	s.mutex.Unlock()
	for _, repository := range repositories {
		if err := s.wait(ctx, repository); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until none is under way.
func (s *confirmingStore) drain() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for s.count > 0 {
		s.idle.Wait()
	}
}

var _ index.Store = (*confirmingStore)(nil)

// Begin implements [index.Store]. A delete of what is being recorded would
// leave it to the upstream which of the two came last.
func (s *confirmingStore) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	if intent.Kind == index.IntentDelete {
		if err := s.wait(ctx, intent.Record.Repository); err != nil {
			return 0, err
		}
	}
	return s.store.Begin(ctx, intent)
}

// Get implements [index.Store].
func (s *confirmingStore) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	if err := s.wait(ctx, repository); err != nil {
		return index.Record{}, err
	}
	return s.store.Get(ctx, repository, manifest)
}

// Referrers implements [index.Store].
func (s *confirmingStore) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	if err := s.wait(ctx, repository); err != nil {
		return index.Page{}, err
	}
	return s.store.Referrers(ctx, repository, subject, query)
}

// Manifests implements [index.Store].
func (s *confirmingStore) Manifests(ctx context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, false, err
	}
	return s.store.Manifests(ctx, repository, query)
}

// Latest reads the news of a repository, as [index.News] does; there are none where the
// store keeps none.
func (s *confirmingStore) Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, err
	}
	news, able := s.store.(index.News)
	if !able {
		return nil, nil
	}
	return news.Latest(ctx, repository, before, limit)
}

// Subjects implements [index.Store].
func (s *confirmingStore) Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, err
	}
	return s.store.Subjects(ctx, repository, manifests)
}

// Parents implements [index.Store].
func (s *confirmingStore) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, err
	}
	return s.store.Parents(ctx, repository, target, after, limit)
}

// Unsettled implements [index.Store].
func (s *confirmingStore) Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, err
	}
	return s.store.Unsettled(ctx, repository, subject)
}

// SetUnheld implements [index.Store]. The manifest need not be recorded yet.
func (s *confirmingStore) SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error {
	return s.store.SetUnheld(ctx, repository, manifest, unheld)
}

// Made implements [index.Store]. A push brings no notes.
func (s *confirmingStore) Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	return s.store.Made(ctx, repository, manifests)
}

// SetMade implements [index.Store]. Of what is being recorded nothing may be
// noted yet.
func (s *confirmingStore) SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error {
	return s.store.SetMade(ctx, repository, made)
}

// Mark implements [index.Store]. An outcome that is written after it makes what
// is read meanwhile stale where that matters.
func (s *confirmingStore) Mark(ctx context.Context) (index.Mark, error) {
	return s.store.Mark(ctx)
}

// Observe implements [index.Store]. What is being recorded may be recorded from
// elsewhere.
func (s *confirmingStore) Observe(ctx context.Context, mark index.Mark, records ...index.Record) error {
	return s.store.Observe(ctx, mark, records...)
}

// Confirm implements [index.Store].
func (s *confirmingStore) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return s.store.Confirm(ctx, id, at)
}

// Cancel implements [index.Store].
func (s *confirmingStore) Cancel(ctx context.Context, id index.IntentID) error {
	return s.store.Cancel(ctx, id)
}

// Settle implements [index.Store]. An intent that is confirmed meanwhile has
// ended, and is left alone.
func (s *confirmingStore) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	return s.store.Settle(ctx, id, finding)
}

// Remove implements [index.Store]. What is being recorded is to be taken away.
func (s *confirmingStore) Remove(ctx context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	for _, manifest := range manifests {
		if err := s.wait(ctx, manifest.Repository); err != nil {
			return nil, err
		}
	}
	return s.store.Remove(ctx, at, manifests...)
}

// Removals implements [index.Store]. A push may end one, or begin those of what it
// replaces.
func (s *confirmingStore) Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	wait := func() error { return s.wait(ctx, repository) }
	if repository == "" {
		wait = func() error { return s.waitAll(ctx) }
	}
	if err := wait(); err != nil {
		return nil, err
	}
	return s.store.Removals(ctx, repository, after, limit)
}

// Removing implements [index.Store], as Removals.
func (s *confirmingStore) Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	if err := s.wait(ctx, repository); err != nil {
		return nil, err
	}
	return s.store.Removing(ctx, repository, manifests)
}

// Close implements [index.Store]: see drain.
func (s *confirmingStore) Close() error {
	return s.store.Close()
}
