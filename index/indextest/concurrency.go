package indextest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

const (
	// workers is how many do something at once.
	workers = 12
	// rounds is how often each does it.
	rounds = 6
)

// concurrency has many work with one store at once.
func concurrency(t *testing.T, open func(t *testing.T) index.Store) {
	for _, s := range []story{
		{"each sees what it did at once", ownWork},
		{"a listing that is walked meanwhile misses nothing that stays", walkedMeanwhile},
		{"what many do to one manifest fits together", sharedWork},
	} {
		run(t, open, []story{s})
	}
}

// atOnce runs the workers, and reports the first error of each.
func atOnce(t *testing.T, work func(ctx context.Context, worker int) error) {
	t.Helper()
	var group sync.WaitGroup
	failed := make([]error, workers)
	for worker := range workers {
		group.Go(func() { failed[worker] = work(t.Context(), worker) })
	}
	group.Wait()
	must(t, errors.Join(failed...))
}

// carriedOut begins and confirms.
func carriedOut(ctx context.Context, store index.Store, kind index.IntentKind, record index.Record) error {
	id, err := store.Begin(ctx, index.Intent{Kind: kind, Record: record, Deadline: after(60)})
	if err != nil {
		return err
	}
	return store.Confirm(ctx, id, after(1))
}

// shows reports an error unless a record is listed, or is not.
func shows(ctx context.Context, store index.Store, record index.Record, want bool) error {
	page, err := store.Referrers(ctx, record.Repository, record.Subject(), index.Query{})
	if err != nil {
		return err
	}
	got := slices.ContainsFunc(page.Referrers, func(r index.Referrer) bool { return r.Digest == record.Digest })
	if got != want {
		return fmt.Errorf("%s is listed: %t, want %t", record.Annotations["org.example.what"], got, want)
	}
	return nil
}

func ownWork(t *testing.T, store index.Store) {
	var kept []index.Record
	var mutex sync.Mutex
	atOnce(t, func(ctx context.Context, worker int) error {
		for round := range rounds {
			record := signature(fmt.Sprintf("%d of %d", round, worker), name("subject"))
			err := errors.Join(carriedOut(ctx, store, index.IntentPush, record), shows(ctx, store, record, true))
			if round%2 == 0 {
				err = errors.Join(err, carriedOut(ctx, store, index.IntentDelete, record), shows(ctx, store, record, false))
			} else {
				mutex.Lock()
				kept = append(kept, record)
				mutex.Unlock()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(kept...))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
}

func walkedMeanwhile(t *testing.T, store index.Store) {
	anchors := sorted(crowdOf(t, store, 20)...)
	atOnce(t, func(ctx context.Context, worker int) error {
		for round := range rounds {
			record := signature(fmt.Sprintf("%d of %d", round, worker), name("subject"))
			if err := carriedOut(ctx, store, index.IntentPush, record); err != nil {
				return err
			}
			seen, err := walkQuietly(ctx, store, index.Query{Limit: 1 + worker})
			if err != nil {
				return err
			}
			if !slices.IsSorted(seen) {
				return errors.New("the walk is not in order")
			}
			for _, anchor := range anchors {
				if _, found := slices.BinarySearch(seen, anchor); !found {
					return fmt.Errorf("the walk misses %s", anchor)
				}
			}
			if err := carriedOut(ctx, store, index.IntentDelete, record); err != nil {
				return err
			}
		}
		return nil
	})
	equal(t, "listing", listed(t, store, repo, name("subject")), anchors)
}

// walkQuietly follows a listing outside the goroutine of the test.
func walkQuietly(ctx context.Context, store index.Store, query index.Query) ([]digest.Digest, error) {
	var digests []digest.Digest
	for {
		page, err := store.Referrers(ctx, repo, name("subject"), query)
		if err != nil {
			return nil, err
		}
		for _, referrer := range page.Referrers {
			digests = append(digests, referrer.Digest)
		}
		if !page.More {
			return digests, nil
		}
		query.After = index.Cursor{Digest: digests[len(digests)-1]}
	}
}

// sharedWork lets everything happen to few manifests. What came last can't be
// known, but what is left has to fit together.
func sharedWork(t *testing.T, store index.Store) {
	var records []index.Record
	for i := range 3 {
		records = append(records, signature(fmt.Sprint(i), name("subject")))
	}
	atOnce(t, func(ctx context.Context, worker int) error {
		//nolint:gosec // It has to be the same every time.
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		for range 3 * rounds {
			if err := anything(ctx, store, records[random.IntN(len(records))], random); err != nil {
				return err
			}
		}
		return nil
	})
	for _, intent := range unsettled(t, store, name("subject")) {
		must(t, store.Settle(t.Context(), intent.ID, found(t, store, 90)))
	}
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	var left []index.Record
	for _, record := range records {
		_, err := store.Get(t.Context(), repo, record.Digest)
		if errors.Is(err, index.ErrNotFound) {
			continue
		}
		must(t, err)
		left = append(left, record)
	}
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(left...))
	var parents []index.Parent
	for _, d := range sorted(left...) {
		parents = append(parents, index.Parent{Digest: d, Kind: index.EdgeConfig})
	}
	equal(t, "parents", parentsOf(t, store, name("{}")), parents)
}

func anything(ctx context.Context, store index.Store, record index.Record, random *rand.Rand) error {
	mark, err := store.Mark(ctx)
	if err != nil {
		return err
	}
	kind := index.IntentPush
	switch random.IntN(4) {
	case 0:
		if err := store.Observe(ctx, mark, record); !errors.Is(err, index.ErrStale) {
			return err
		}
		return nil
	case 1:
		if random.IntN(2) == 0 {
			_, err := store.Remove(ctx, noon, record.Key())
			return err
		}
		kind = index.IntentDelete
	}
	id, err := store.Begin(ctx, index.Intent{Kind: kind, Record: record, Deadline: after(60)})
	if err != nil {
		return err
	}
	switch random.IntN(3) {
	case 0:
		return store.Confirm(ctx, id, after(1))
	case 1:
		return store.Cancel(ctx, id)
	default:
		finding := index.Finding{Mark: mark, At: after(random.IntN(120)), Present: random.IntN(2) == 0}
		if err := store.Settle(ctx, id, finding); !errors.Is(err, index.ErrStale) {
			return err
		}
		return nil
	}
}
