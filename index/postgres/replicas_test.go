package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
	"github.com/opencontainers/go-digest"
)

// TestReplicas passes the suite with several stores of one schema, of which
// each call goes to another one: what one has acknowledged holds for all.
func TestReplicas(t *testing.T) {
	fewerHistories(t)
	indextest.Run(t, func(t *testing.T) index.Store {
		options := newOptions()
		options.Connections = 4
		r := &replicas{}
		for range 2 {
			r.stores = append(r.stores, mustOpen(t, options))
		}
		return r
	})
}

// pushAtOnce pushes through several stores at once, looks whether all that was
// acknowledged is listed by each, and closes them.
func pushAtOnce(t *testing.T, stores ...*postgres.Store) {
	t.Helper()
	const each = 60
	var group sync.WaitGroup
	for i := range each * len(stores) {
		group.Go(func() {
			if err := push(t.Context(), stores[i%len(stores)], numbered(i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, store := range stores {
		page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
		must(t, err)
		if len(page.Referrers) != each*len(stores) {
			t.Errorf("%d are listed", len(page.Referrers))
		}
		must(t, store.Close())
	}
}

// replicas are stores of one schema that are used in turn.
type replicas struct {
	stores []*postgres.Store
	calls  atomic.Uint64
}

// Version is that of one store, however the others are used, so that it has to tell
// of what they change.
func (r *replicas) Version(repository, referrersTag string) uint64 {
	return r.stores[0].Version(repository, referrersTag)
}

func (r *replicas) CatchUp(ctx context.Context) error { return r.stores[0].CatchUp(ctx) }

func (r *replicas) next() *postgres.Store {
	return r.stores[r.calls.Add(1)%uint64(len(r.stores))]
}

func (r *replicas) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	return r.next().Get(ctx, repository, manifest)
}

func (r *replicas) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	return r.next().Referrers(ctx, repository, subject, query)
}

func (r *replicas) Manifests(ctx context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	return r.next().Manifests(ctx, repository, query)
}

func (r *replicas) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	return r.next().Parents(ctx, repository, target, after, limit)
}

func (r *replicas) Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	return r.next().Subjects(ctx, repository, manifests)
}

func (r *replicas) Around(ctx context.Context, repository string, manifests []digest.Digest, most int) (map[digest.Digest]index.Around, error) {
	return r.next().Around(ctx, repository, manifests, most)
}

func (r *replicas) Open(ctx context.Context, repository string) (bool, error) {
	return r.next().Open(ctx, repository)
}

func (r *replicas) SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error {
	return r.next().SetUnheld(ctx, repository, manifest, unheld)
}

func (r *replicas) Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	return r.next().Made(ctx, repository, manifests)
}

func (r *replicas) SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error {
	return r.next().SetMade(ctx, repository, made)
}

func (r *replicas) Mark(ctx context.Context) (index.Mark, error) { return r.next().Mark(ctx) }

func (r *replicas) Observe(ctx context.Context, mark index.Mark, records ...index.Record) error {
	return r.next().Observe(ctx, mark, records...)
}

func (r *replicas) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	return r.next().Begin(ctx, intent)
}

func (r *replicas) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return r.next().Confirm(ctx, id, at)
}

func (r *replicas) Cancel(ctx context.Context, id index.IntentID) error {
	return r.next().Cancel(ctx, id)
}

func (r *replicas) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	return r.next().Settle(ctx, id, finding)
}

func (r *replicas) Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	return r.next().Unsettled(ctx, repository, subject)
}

func (r *replicas) Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	return r.next().Intents(ctx, after, limit)
}

func (r *replicas) Records(ctx context.Context, after index.Key, limit int) ([]index.Record, error) {
	return r.next().Records(ctx, after, limit)
}

func (r *replicas) Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error {
	return r.next().Forget(ctx, mark, repository, manifest)
}

func (r *replicas) Correct(ctx context.Context, mark index.Mark, record index.Record) error {
	return r.next().Correct(ctx, mark, record)
}

func (r *replicas) Stats(ctx context.Context) (index.Stats, error) { return r.next().Stats(ctx) }

func (r *replicas) BeginRebuild(ctx context.Context) ([]byte, error) {
	return r.next().BeginRebuild(ctx)
}

func (r *replicas) Fill(ctx context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error {
	return r.next().Fill(ctx, mark, checkpoint, records...)
}

func (r *replicas) Unfilled(ctx context.Context, after index.Key, limit int) ([]index.Record, index.Key, error) {
	return r.next().Unfilled(ctx, after, limit)
}

func (r *replicas) FinishRebuild(ctx context.Context) error  { return r.next().FinishRebuild(ctx) }
func (r *replicas) AbandonRebuild(ctx context.Context) error { return r.next().AbandonRebuild(ctx) }

func (r *replicas) SetOutbox(ctx context.Context, on bool) error { return r.next().SetOutbox(ctx, on) }

func (r *replicas) SetNews(ctx context.Context, on bool) error { return r.next().SetNews(ctx, on) }

func (r *replicas) Arrivals(ctx context.Context, after uint64, limit int) ([]index.Arrival, error) {
	return r.next().Arrivals(ctx, after, limit)
}

func (r *replicas) Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	return r.next().Latest(ctx, repository, before, limit)
}

func (r *replicas) CountNews(ctx context.Context) (int, error) { return r.next().CountNews(ctx) }

func (r *replicas) TrimNews(ctx context.Context, through uint64, limit int) (int, error) {
	return r.next().TrimNews(ctx, through, limit)
}

func (r *replicas) Changed(ctx context.Context, after uint64, limit int) ([]index.Change, error) {
	return r.next().Changed(ctx, after, limit)
}

func (r *replicas) Written(ctx context.Context, change index.Change) error {
	return r.next().Written(ctx, change)
}

func (r *replicas) Remove(ctx context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	return r.next().Remove(ctx, at, manifests...)
}

func (r *replicas) Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	return r.next().Removals(ctx, repository, after, limit)
}

func (r *replicas) Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	return r.next().Removing(ctx, repository, manifests)
}

func (r *replicas) WriteJournal(ctx context.Context, book index.Book, entries ...index.JournalEntry) error {
	return r.next().WriteJournal(ctx, book, entries...)
}

func (r *replicas) ReadJournal(ctx context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error) {
	return r.next().ReadJournal(ctx, book, after, limit)
}

func (r *replicas) DropJournal(ctx context.Context, book index.Book, keys ...string) error {
	return r.next().DropJournal(ctx, book, keys...)
}

func (r *replicas) TrimJournal(ctx context.Context, book index.Book, before string, limit int) (int, error) {
	return r.next().TrimJournal(ctx, book, before, limit)
}

func (r *replicas) SaveListing(ctx context.Context, listing index.ServedListing, now time.Time, most int64) error {
	return r.next().SaveListing(ctx, listing, now, most)
}

func (r *replicas) Listing(ctx context.Context, repository string, name digest.Digest, now time.Time) (index.ServedListing, error) {
	return r.next().Listing(ctx, repository, name, now)
}

func (r *replicas) TagSubject(ctx context.Context, repository, tag string) (digest.Digest, error) {
	return r.next().TagSubject(ctx, repository, tag)
}

func (r *replicas) LockTag(ctx context.Context, repository, tag string, after time.Duration) (context.Context, context.CancelFunc, error) {
	return r.next().LockTag(ctx, repository, tag, after)
}

func (r *replicas) Close() error {
	var errs []error
	for _, store := range r.stores {
		errs = append(errs, store.Close())
	}
	return errors.Join(errs...)
}
