package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

func removalRebuilt(t *testing.T, store index.Maintainer) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, record)
	rebuilding(t, store)
	early := mark(t, store)
	must(t, store.Fill(t.Context(), early, nil, record))
	ids := removing(t, store, record, other)
	must(t, store.Fill(t.Context(), early, nil, record, other))
	must(t, store.Fill(t.Context(), mark(t, store), nil, record, other))
	wrong := record
	wrong.ArtifactType = "application/vnd.example.wrong"
	must(t, store.Correct(t.Context(), mark(t, store), wrong))
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(ids[0], record), removalOf(ids[1], bare(other))})
	// What a removal gives back goes to the generation in the making too.
	rebuilding(t, store)
	must(t, store.Cancel(t.Context(), ids[0]))
	finished(t, store)
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(record))
}

func removalCounts(t *testing.T, store index.Maintainer) {
	first := begin(t, store, index.IntentPush, signature("first", name("subject")))
	removal := removing(t, store, signature("sig", name("subject")))[0]
	last := begin(t, store, index.IntentPush, signature("last", name("subject")))
	open, err := store.Intents(t.Context(), 0, enough)
	must(t, err)
	equal(t, "intents", ids(open), []index.IntentID{first, last})
	equal(t, "removals", ids(removalsOf(t, store, "")), []index.IntentID{removal})
	stats, err := store.Stats(t.Context())
	must(t, err)
	equal(t, "open", []int64{stats.Intents, stats.Removals}, []int64{2, 1})
}

func removalMirrored(t *testing.T, store index.Maintainer) {
	mirrored(t, store)
	old, fresh := signature("old", name("subject")), signature("new", name("subject"))
	push(t, store, old)
	written(t, store)
	id := removing(t, store, old)[0]
	equal(t, "entries", len(changes(t, store)), 1)
	written(t, store)
	must(t, store.Cancel(t.Context(), id))
	equal(t, "entries after", len(changes(t, store)), 1)
	written(t, store)
	must(t, store.Confirm(t.Context(), beginReplacing(t, store, fresh, old), after(1)))
	equal(t, "entries of a replacement", len(changes(t, store)), 1)
}

func removalsAgain(t *testing.T, open func() index.Store) {
	store := open()
	old, fresh, open1 := signature("old", name("subject")), signature("new", name("subject")), signature("open", name("subject"))
	push(t, store, old)
	push(t, store, fresh)
	removal := removing(t, store, old)[0]
	replacing := beginReplacing(t, store, open1, fresh)
	want := unsettled(t, store, name("subject"))
	must(t, store.Close())

	store = open()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(removal, old)})
	equal(t, "open", unsettled(t, store, name("subject")), want)
	must(t, store.Observe(t.Context(), mark(t, store), old))
	must(t, store.Confirm(t.Context(), replacing, after(7)))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(open1))
	equal(t, "removals", len(removalsOf(t, store, repo)), 2)
	must(t, store.Confirm(t.Context(), removal, after(8)))
	last := removalsOf(t, store, repo)
	equal(t, "removals", len(last), 1)
	equal(t, "removal", last[0].Record, fresh)
	equal(t, "decided", last[0].Deadline, after(7))
}
