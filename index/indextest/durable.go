package indextest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/backref/backref/index"
)

// reopening is a story about a store that is closed and opened again.
type reopening struct {
	name string
	tell func(t *testing.T, open func() index.Store)
}

func durableStories() []reopening {
	return []reopening{
		{"it holds what it held", heldAgain},
		{"no identifier is given twice", freshIDsAgain},
		{"marks stay valid", marksAgain},
		{"removals, and what is to be replaced, are kept", removalsAgain},
		{"what was closed refuses calls", closed},
		{"it closes after the calls under way", closedMeanwhile},
	}
}

func heldAgain(t *testing.T, open func() index.Store) {
	store := open()
	kept, deleted := signature("kept", name("subject")), signature("deleted", name("subject"))
	push(t, store, kept)
	push(t, store, deleted)
	remove(t, store, deleted)
	pushing := begin(t, store, index.IntentPush, signature("pushing", name("subject")))
	deleting := begin(t, store, index.IntentDelete, kept)
	importing := importOf(t, store, name("subject"))
	want := unsettled(t, store, name("subject"))
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(kept))
	equal(t, "open", unsettled(t, store, name("subject")), want)
	got, err := store.Get(t.Context(), repo, kept.Digest)
	must(t, err)
	equal(t, "record", got, kept)
	must(t, store.Confirm(t.Context(), pushing, after(2)))
	must(t, store.Confirm(t.Context(), deleting, after(2)))
	must(t, store.Confirm(t.Context(), importing, after(2)))
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(signature("pushing", name("subject"))))
}

func freshIDsAgain(t *testing.T, open func() index.Store) {
	given := make(map[index.IntentID]bool)
	for range 3 {
		store := open()
		for range 3 {
			id := begin(t, store, index.IntentPush, signature("sig", name("subject")))
			if given[id] {
				t.Fatalf("identifier %d was given twice", id)
			}
			given[id] = true
			must(t, store.Cancel(t.Context(), id))
		}
		must(t, store.Close())
	}
}

func marksAgain(t *testing.T, open func() index.Store) {
	store := open()
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	push(t, store, one)
	before := mark(t, store)
	remove(t, store, one)
	must(t, store.Close())

	store = open()
	defer func() { must(t, store.Close()) }()
	mustBe(t, store.Observe(t.Context(), before, one), index.ErrStale)
	must(t, store.Observe(t.Context(), before, two))
	must(t, store.Observe(t.Context(), mark(t, store), one))
}

func closed(t *testing.T, open func() index.Store) {
	store := open()
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	must(t, store.Close())
	_, removals := store.Removals(t.Context(), repo, 0, 1)
	all := append(calls(t.Context(), store, record),
		call{"Confirm", store.Confirm(t.Context(), id, after(1))},
		call{"Cancel", store.Cancel(t.Context(), id)},
		call{"Settle", store.Settle(t.Context(), id, index.Finding{})},
		call{"Removals", removals},
		call{"Close", store.Close()})
	refusedCalls(t, append(all, upkeepCalls(t.Context(), store)...), index.ErrClosed)
}

func closedMeanwhile(t *testing.T, open func() index.Store) {
	store := open()
	const writers = 20
	acknowledged := make([]bool, writers)
	var group sync.WaitGroup
	var started sync.WaitGroup
	started.Add(writers)
	for i := range writers {
		group.Go(func() {
			started.Done()
			record := signature(fmt.Sprint(i), name("subject"))
			acknowledged[i] = store.Observe(t.Context(), 0, record) == nil
		})
	}
	started.Wait()
	must(t, store.Close())
	group.Wait()

	store = open()
	defer func() { must(t, store.Close()) }()
	for i, was := range acknowledged {
		_, err := store.Get(t.Context(), repo, name(fmt.Sprint(i)))
		equal(t, fmt.Sprintf("record %d is there", i), err == nil, was)
	}
}
