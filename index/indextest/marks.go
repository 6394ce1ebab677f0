package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

func markStories() []story {
	return []story{
		{"what was read before a delete began is not recorded", observedBeforeDelete},
		{"what was read before a delete was confirmed is not recorded", observedBeforeConfirm},
		{"what was read before a delete was found out is not recorded", observedBeforeSettle},
		{"a delete that was refused makes nothing stale once it has begun", observedBeforeCancel},
		{"where one can't be recorded none is", observedTogether},
		{"a delete elsewhere makes nothing stale", deletedElsewhere},
		{"a finding from before a delete does not bring the record back", foundBeforeDelete},
		{"a finding from before a delete was found out does not bring it back", foundBeforeSettle},
		{"a finding from before a push does not take it away", missingBeforePush},
		{"nor does one of another push", missingBeforeOtherPush},
		{"a finding stays good when the same is found again", foundTwice},
		{"findings of all intents of a manifest can be applied together", settledTogether},
	}
}

func observedBeforeDelete(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	before := mark(t, store)
	begin(t, store, index.IntentDelete, record)
	mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	must(t, store.Observe(t.Context(), mark(t, store), record))
}

func observedBeforeConfirm(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	for _, contended := range []bool{false, true} {
		id := begin(t, store, index.IntentDelete, record)
		if contended {
			begin(t, store, index.IntentPush, record)
		}
		before := mark(t, store)
		must(t, store.Confirm(t.Context(), id, after(1)))
		mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
		equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	}
}

func observedBeforeSettle(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	for _, known := range []bool{false, true} {
		id := begin(t, store, index.IntentDelete, record)
		before := mark(t, store)
		if known {
			must(t, store.Observe(t.Context(), before, record))
		}
		must(t, store.Settle(t.Context(), id, missing(t, store, 61)))
		mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
		equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	}
	// A push that turns out to have been overtaken takes the record along.
	push(t, store, record)
	id := begin(t, store, index.IntentPush, record)
	begin(t, store, index.IntentDelete, record)
	before := mark(t, store)
	must(t, store.Settle(t.Context(), id, missing(t, store, 61)))
	mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
}

func observedBeforeCancel(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentDelete, record)
	before := mark(t, store)
	must(t, store.Cancel(t.Context(), id))
	must(t, store.Observe(t.Context(), before, record))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

func observedTogether(t *testing.T, store index.Store) {
	one, two, known := signature("one", name("subject")), signature("two", name("subject")), signature("known", name("subject"))
	push(t, store, known)
	before := mark(t, store)
	remove(t, store, two)
	begin(t, store, index.IntentDelete, known)
	mustBe(t, store.Observe(t.Context(), before, one, two), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(known))
	// One that is recorded needs no mark.
	must(t, store.Observe(t.Context(), before, one, known))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(one, known))
}

func deletedElsewhere(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	elsewhere := record
	elsewhere.Repository = sibling
	before := mark(t, store)
	remove(t, store, elsewhere)
	remove(t, store, signature("other", name("subject")))
	must(t, store.Observe(t.Context(), before, record))
}

func foundBeforeDelete(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	stale := found(t, store, 61)
	deleting := begin(t, store, index.IntentDelete, record)
	mustBe(t, store.Settle(t.Context(), id, stale), index.ErrStale)
	stale = found(t, store, 61)
	must(t, store.Confirm(t.Context(), deleting, after(62)))
	mustBe(t, store.Settle(t.Context(), id, stale), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{id, deleting})
}

func foundBeforeSettle(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	deleting := begin(t, store, index.IntentDelete, record)
	pushing := begin(t, store, index.IntentPush, record)
	stale := found(t, store, 61)
	must(t, store.Settle(t.Context(), deleting, missing(t, store, 62)))
	mustBe(t, store.Settle(t.Context(), pushing, stale), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func missingBeforePush(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	deleting := begin(t, store, index.IntentDelete, record)
	stale := missing(t, store, 20)
	// Now the upstream gets and keeps a push, which another reader finds out.
	pushing := begin(t, store, index.IntentPush, record)
	must(t, store.Confirm(t.Context(), pushing, after(30)))
	must(t, store.Settle(t.Context(), pushing, found(t, store, 40)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))

	mustBe(t, store.Settle(t.Context(), deleting, stale), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

func missingBeforeOtherPush(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	deleting := begin(t, store, index.IntentDelete, record)
	lost := begin(t, store, index.IntentPush, record)
	must(t, store.Settle(t.Context(), deleting, missing(t, store, 61)))
	// Only the first push is contended. It is not there, but a second one comes.
	stale := missing(t, store, 62)
	push(t, store, record)
	mustBe(t, store.Settle(t.Context(), lost, stale), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

func foundTwice(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	begin(t, store, index.IntentDelete, record)
	must(t, store.Settle(t.Context(), id, found(t, store, 10)))
	gone := missing(t, store, 12)
	must(t, store.Settle(t.Context(), id, found(t, store, 11)))
	must(t, store.Settle(t.Context(), id, gone))
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func settledTogether(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	for _, finding := range []func(tester, index.Store, int) index.Finding{found, missing} {
		for _, kinds := range [][]index.IntentKind{
			{index.IntentPush, index.IntentDelete, index.IntentPush},
			{index.IntentDelete, index.IntentPush, index.IntentDelete},
		} {
			var open []index.IntentID
			for _, kind := range kinds {
				open = append(open, begin(t, store, kind, record))
			}
			same := finding(t, store, 61)
			for _, id := range open {
				must(t, store.Settle(t.Context(), id, same))
			}
			equal(t, "open", unsettled(t, store, name("subject")), nil)
			equal(t, "listed", len(listed(t, store, repo, name("subject"))) == 1, same.Present)
		}
	}
}
