package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

func durableUpkeepStories() []reopening {
	return []reopening{
		upkeepReopened("a rebuild goes on where it was", rebuildAgain),
		upkeepReopened("a rebuild that is finished or abandoned stays so", rebuildOverAgain),
		upkeepReopened("the outbox stays on with what it holds", outboxAgain),
		upkeepReopened("the outbox stays off", outboxOffAgain),
		upkeepReopened("what was forgotten does not come back", forgottenAgain),
		upkeepReopened("the journal is kept", journalAgain),
		upkeepReopened("news and their numbers are kept", newsAgain),
	}
}

// upkeepReopened makes a story of one that is told with a Maintainer.
func upkeepReopened(name string, tell func(t *testing.T, open func() index.Maintainer)) reopening {
	return reopening{name, func(t *testing.T, open func() index.Store) {
		tell(t, func() index.Maintainer {
			keeper, is := open().(index.Maintainer)
			if !is {
				t.Fatal("it is no Maintainer")
			}
			return keeper
		})
	}}
}

func rebuildAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	live, filled, pushed := signature("live", name("subject")), signature("filled", name("subject")), signature("pushed", name("subject"))
	push(t, store, live)
	rebuilding(t, store)
	before := mark(t, store)
	must(t, store.Fill(t.Context(), before, []byte("so far"), filled))
	must(t, store.Close())

	store = open()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(live))
	// Changes go to both before anybody goes on with it.
	push(t, store, pushed)
	remove(t, store, filled)
	checkpoint, err := store.BeginRebuild(t.Context())
	must(t, err)
	equal(t, "checkpoint", string(checkpoint), "so far")
	equal(t, "unfilled", walkUnfilled(t, store, 1), []index.Record{live})
	mustBe(t, store.Fill(t.Context(), before, nil, filled), index.ErrStale)
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(pushed))
}

func rebuildOverAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	live, fresh := signature("live", name("subject")), signature("fresh", name("subject"))
	push(t, store, live)
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("x"), fresh))
	finished(t, store)
	must(t, store.Close())

	store = open()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
	mustBe(t, store.FinishRebuild(t.Context()), index.ErrNoRebuild)
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("x"), live))
	must(t, store.AbandonRebuild(t.Context()))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
	mustBe(t, store.FinishRebuild(t.Context()), index.ErrNoRebuild)
	rebuilding(t, store)
}

func outboxAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	push(t, store, signature("1", name("a")))
	push(t, store, signature("2", name("b")))
	must(t, store.SetOutbox(t.Context(), true))
	all := changes(t, store)
	must(t, store.Written(t.Context(), all[0]))
	must(t, store.Close())

	store = open()
	equal(t, "entries", changes(t, store), all[1:])
	must(t, store.SetOutbox(t.Context(), true))
	equal(t, "entries", changes(t, store), all[1:])
	push(t, store, signature("3", name("c")))
	got := changes(t, store)
	equal(t, "last", got[len(got)-1].Subject, name("c"))
	written(t, store)
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	equal(t, "entries", changes(t, store), nil)
	push(t, store, signature("4", name("a")))
	if again := changes(t, store); len(again) != 1 || again[0].Number <= got[len(got)-1].Number {
		t.Fatalf("entries %v after %v", again, got)
	}
}

func outboxOffAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	mirrored(t, store)
	push(t, store, signature("1", name("a")))
	must(t, store.SetOutbox(t.Context(), false))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	push(t, store, signature("2", name("a")))
	equal(t, "entries", changes(t, store), nil)
}

func forgottenAgain(t *testing.T, open func() index.Maintainer) {
	store := open()
	record := signature("sig", name("subject"))
	push(t, store, record)
	before := mark(t, store)
	must(t, store.Forget(t.Context(), before, repo, record.Digest))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	gone(t, store, record)
	mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
}
