package indextest

import (
	"context"
	"testing"
	"time"

	"github.com/backref/backref/index"
)

// story is a behaviour, told with a new store.
type story struct {
	name string
	tell func(t *testing.T, store index.Store)
}

// Run tests a store, all of [index.Maintainer] and [index.Listings] too where it
// is the former. Each call of open returns a new and empty one; Run closes
// it.
func Run(t *testing.T, open func(t *testing.T) index.Store) {
	runMeaning(t, open)
	t.Run("limits", func(t *testing.T) { run(t, open, limitStories()) })
	t.Run("limits of replacing", func(t *testing.T) { run(t, open, replacingLimits()) })
	if isMaintainer(t, open(t)) {
		t.Run("limits of listings", func(t *testing.T) { run(t, open, servedLimits()) })
		t.Run("limits of news", func(t *testing.T) { run(t, open, newsLimits()) })
		t.Run("limits of the journal", func(t *testing.T) { run(t, open, journalLimits()) })
	}
	t.Run("concurrency", func(t *testing.T) { concurrency(t, open) })
}

// runMeaning tests what a store does with what it should be given.
func runMeaning(t *testing.T, open func(t *testing.T) index.Store) {
	t.Run("records", func(t *testing.T) { run(t, open, recordStories()) })
	t.Run("referrers", func(t *testing.T) { run(t, open, referrerStories()) })
	t.Run("unheld", func(t *testing.T) { run(t, open, unheldStories()) })
	t.Run("made", func(t *testing.T) { run(t, open, madeStories()) })
	t.Run("parents", func(t *testing.T) { run(t, open, parentStories()) })
	t.Run("intents", func(t *testing.T) { run(t, open, intentStories()) })
	t.Run("intents confirmed later", func(t *testing.T) {
		run(t, func(t *testing.T) index.Store { return confirmingLater(open(t)) }, intentStories())
	})
	t.Run("removals", func(t *testing.T) { run(t, open, removalStories()) })
	t.Run("replacing", func(t *testing.T) { run(t, open, replacingStories()) })
	t.Run("replacing, confirmed later", func(t *testing.T) {
		run(t, func(t *testing.T) index.Store { return confirmingLater(open(t)) }, replacingStories()[:1])
	})
	t.Run("settling", func(t *testing.T) { settling(t, open) })
	t.Run("marks", func(t *testing.T) { run(t, open, markStories()) })
	t.Run("paging", func(t *testing.T) { paging(t, open) })
	t.Run("queries", func(t *testing.T) { queries(t, open) })
	place := func(t *testing.T) func() index.Store { return func() index.Store { return open(t) } }
	t.Run("histories", func(t *testing.T) { histories(t, false, false, place) })
	t.Run("protocol", func(t *testing.T) { protocol(t, false, open) })
	if !isMaintainer(t, open(t)) {
		return
	}
	t.Run("upkeep", func(t *testing.T) { run(t, open, upkeepStories()) })
	t.Run("corrections", func(t *testing.T) { run(t, open, correctionStories()) })
	t.Run("rebuild", func(t *testing.T) { run(t, open, rebuildStories()) })
	t.Run("outbox", func(t *testing.T) { run(t, open, outboxStories()) })
	t.Run("news", func(t *testing.T) { run(t, open, newsStories()) })
	t.Run("subjects of tags", func(t *testing.T) { run(t, open, tagSubjectStories()) })
	t.Run("locks of tags", func(t *testing.T) { tagLocks(t, open) })
	t.Run("listings", func(t *testing.T) { run(t, open, servedStories()) })
	t.Run("histories of listings", func(t *testing.T) { servedHistories(t, open) })
	t.Run("journal", func(t *testing.T) { run(t, open, journalStories()) })
	t.Run("aliases", func(t *testing.T) { run(t, open, aliasStories()) })
	t.Run("histories with upkeep", func(t *testing.T) { histories(t, false, true, place) })
	t.Run("protocol with upkeep", func(t *testing.T) { protocol(t, true, open) })
}

// RunStories tests a store by its stories alone: for one more way to reach a
// medium that passes [Run].
func RunStories(t *testing.T, open func(t *testing.T) index.Store) {
	for name, stories := range map[string][]story{
		"records": recordStories(), "referrers": referrerStories(), "made": madeStories(), "parents": parentStories(), "intents": intentStories(),
		"marks": markStories(), "queries": queryStories(), "upkeep": upkeepStories(), "corrections": correctionStories(),
		"rebuild": rebuildStories(), "outbox": outboxStories(), "subjects of tags": tagSubjectStories(), "listings": servedStories(),
		"journal": journalStories(), "removals": removalStories(), "replacing": replacingStories(),
		"news": newsStories(),
	} {
		t.Run(name, func(t *testing.T) { run(t, open, stories) })
	}
	t.Run("locks of tags", func(t *testing.T) { tagLocks(t, open) })
	t.Run("paging", func(t *testing.T) { paging(t, open) })
	t.Run("what a query selects", func(t *testing.T) { selected(t, open) })
}

// isMaintainer tells whether a store has to pass what says [index.Maintainer],
// and closes it.
func isMaintainer(t *testing.T, store index.Store) bool {
	t.Helper()
	_, is := store.(index.Maintainer)
	must(t, store.Close())
	return is
}

// late is a store whose intents are confirmed by [index.LateConfirmer].
type late struct{ index.Store }

// confirmingLater returns the store itself where it can't do that.
func confirmingLater(store index.Store) index.Store {
	if _, able := store.(index.LateConfirmer); !able {
		return store
	}
	return late{store}
}

// Confirm implements [index.Store].
func (s late) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	return s.Store.(index.LateConfirmer).ConfirmLater(ctx, id, at) //nolint:forcetypeassert // Asked before.
}

// upkeep makes a story of one that is told with a Maintainer.
func upkeep(name string, tell func(t *testing.T, store index.Maintainer)) story {
	return story{name, func(t *testing.T, store index.Store) {
		keeper, is := store.(index.Maintainer)
		if !is {
			t.Fatalf("%T is no Maintainer", store)
		}
		tell(t, keeper)
	}}
}

func run(t *testing.T, open func(t *testing.T) index.Store, stories []story) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			store := open(t)
			defer func() { must(t, store.Close()) }()
			s.tell(t, store)
		})
	}
}

// RunDurable tests that a store keeps what it holds when it is closed and
// opened again. Each call of place makes a new and empty place and returns what
// opens the store in it.
func RunDurable(t *testing.T, place func(t *testing.T) (open func() index.Store)) {
	t.Run("reopened", func(t *testing.T) {
		for _, s := range durableStories() {
			t.Run(s.name, func(t *testing.T) { s.tell(t, place(t)) })
		}
	})
	t.Run("histories", func(t *testing.T) { histories(t, true, false, place) })
	if !isMaintainer(t, place(t)()) {
		return
	}
	t.Run("upkeep", func(t *testing.T) {
		for _, s := range durableUpkeepStories() {
			t.Run(s.name, func(t *testing.T) { s.tell(t, place(t)) })
		}
	})
	t.Run("listings", func(t *testing.T) { servedDurable(t, place(t)) })
	t.Run("histories with upkeep", func(t *testing.T) { histories(t, true, true, place) })
}
