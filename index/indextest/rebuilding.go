package indextest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/backref/backref/index"
)

func rebuildStories() []story {
	return []story{
		upkeep("queries see the live records alone until it is finished", unseenRebuild),
		upkeep("it begins with nothing, or goes on with what was saved last", begunAgain),
		upkeep("what was read before a delete is not filled, nor anything with it", filledStale),
		upkeep("a record keeps when it was seen", filledSeen),
		upkeep("changes meanwhile go to both generations", changedMeanwhile),
		upkeep("what is settled meanwhile goes to both generations", settledMeanwhile),
		upkeep("what is deleted meanwhile does not come back with it", notResurrected),
		upkeep("marks and intents outlast it", outlasting),
		upkeep("what it lacks is listed by pages", unfilledPages),
		upkeep("one that is abandoned leaves nothing", abandoned),
		upkeep("without one there is nothing to fill or finish", noRebuild),
	}
}

// rebuilding begins a rebuild.
func rebuilding(t tester, store index.Maintainer) {
	t.Helper()
	checkpoint, err := store.BeginRebuild(t.Context())
	must(t, err)
	if checkpoint != nil {
		t.Fatalf("a new rebuild has the checkpoint %q", checkpoint)
	}
}

// fill fills what was read just now.
func fill(t tester, store index.Maintainer, records ...index.Record) {
	t.Helper()
	must(t, store.Fill(t.Context(), mark(t, store), nil, records...))
}

func finished(t *testing.T, store index.Maintainer) {
	t.Helper()
	must(t, store.FinishRebuild(t.Context()))
}

func unseenRebuild(t *testing.T, store index.Maintainer) {
	old, kept, fresh := signature("old", name("subject")), signature("kept", name("subject")), signature("new", name("subject"))
	push(t, store, old)
	push(t, store, kept)
	rebuilding(t, store)
	fill(t, store, kept, fresh)
	_, err := store.Get(t.Context(), repo, fresh.Digest)
	mustBe(t, err, index.ErrNotFound)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(old, kept))
	equal(t, "parents", parentsOf(t, store, name("layer of new")), nil)
	equal(t, "records", len(walkRecords(t, store, enough)), 2)

	finished(t, store)
	gone(t, store, old)
	got, err := store.Get(t.Context(), repo, fresh.Digest)
	must(t, err)
	equal(t, "record", got, fresh)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(kept, fresh))
	equal(t, "parents", parentsOf(t, store, name("layer of new")), []index.Parent{{Digest: fresh.Digest, Kind: index.EdgeLayer}})
	equal(t, "records", len(walkRecords(t, store, enough)), 2)
}

func begunAgain(t *testing.T, store index.Maintainer) {
	checkpoint := func(want string) {
		t.Helper()
		got, err := store.BeginRebuild(t.Context())
		must(t, err)
		equal(t, "checkpoint", string(got), want)
	}
	record := signature("sig", name("subject"))
	rebuilding(t, store)
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("first"), record))
	checkpoint("first")
	// It is saved without records too, and where these are known.
	must(t, store.Fill(t.Context(), mark(t, store), []byte("second")))
	checkpoint("second")
	must(t, store.Fill(t.Context(), mark(t, store), []byte("third\x00"), record))
	checkpoint("third\x00")
	stats, err := store.Stats(t.Context())
	must(t, err)
	equal(t, "records in the making", stats.Rebuilding, 1)
	must(t, store.Fill(t.Context(), mark(t, store), nil))
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("last")))
	finished(t, store)
	rebuilding(t, store)
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func filledStale(t *testing.T, store index.Maintainer) {
	known, one, two := signature("known", name("subject")), signature("one", name("subject")), signature("two", name("subject"))
	push(t, store, two)
	rebuilding(t, store)
	fill(t, store, known)
	before := mark(t, store)
	id := begin(t, store, index.IntentDelete, two)
	// The live generation has it, which is no reason to take it for read.
	mustBe(t, store.Fill(t.Context(), before, []byte("stale"), one, two), index.ErrStale)
	begun := mark(t, store)
	must(t, store.Confirm(t.Context(), id, after(1)))
	mustBe(t, store.Fill(t.Context(), begun, []byte("stale"), one, two), index.ErrStale)
	rebuilding(t, store)
	stats, err := store.Stats(t.Context())
	must(t, err)
	equal(t, "records in the making", stats.Rebuilding, 1)
	// One that is filled already needs no mark.
	must(t, store.Fill(t.Context(), before, []byte("good"), one, known))
	fill(t, store, two)
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(known, one, two))
}

func filledSeen(t *testing.T, store index.Maintainer) {
	record, fresh := signature("sig", name("subject")), signature("new", name("subject"))
	push(t, store, record)
	rebuilding(t, store)
	for _, seconds := range []int{10, -10} {
		again := record
		again.Seen, fresh.Seen = after(seconds), after(10)
		fill(t, store, again, fresh)
	}
	finished(t, store)
	for _, want := range []index.Record{record, fresh} {
		got, err := store.Get(t.Context(), repo, want.Digest)
		must(t, err)
		equal(t, "record", got, want)
	}
	// Also where the reading is from before the live one was seen.
	rebuilding(t, store)
	earlier := record
	earlier.Seen = after(-10)
	fill(t, store, earlier)
	finished(t, store)
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
}

func changedMeanwhile(t *testing.T, store index.Maintainer) {
	var records []index.Record
	for i := range 6 {
		records = append(records, signature(fmt.Sprint(i), name("subject")))
	}
	deleted, forgotten, pushedAgain, pushed, observed, lacking := records[0], records[1], records[2], records[3], records[4], records[5]
	for _, record := range []index.Record{deleted, forgotten, pushedAgain, lacking} {
		push(t, store, record)
	}
	rebuilding(t, store)
	fill(t, store, deleted, forgotten, pushedAgain)
	remove(t, store, deleted)
	must(t, store.Forget(t.Context(), mark(t, store), repo, forgotten.Digest))
	pushedAgain.MediaType = "application/vnd.oci.artifact.manifest.v1+json"
	push(t, store, pushedAgain)
	push(t, store, pushed)
	must(t, store.Observe(t.Context(), mark(t, store), observed))
	equal(t, "live", listed(t, store, repo, name("subject")), sorted(pushedAgain, pushed, observed, lacking))
	finished(t, store)
	equal(t, "built", listed(t, store, repo, name("subject")), sorted(pushedAgain, pushed, observed))
	got, err := store.Get(t.Context(), repo, pushedAgain.Digest)
	must(t, err)
	equal(t, "record", got, pushedAgain)
	gone(t, store, deleted)
	gone(t, store, forgotten)

	// What is in the making alone can be deleted and forgotten as well.
	rebuilding(t, store)
	fill(t, store, deleted, forgotten, pushed)
	remove(t, store, deleted)
	must(t, store.Forget(t.Context(), mark(t, store), repo, forgotten.Digest))
	finished(t, store)
	equal(t, "built", listed(t, store, repo, name("subject")), sorted(pushed))
}

func settledMeanwhile(t *testing.T, store index.Maintainer) {
	pushed, deleted := signature("pushed", name("subject")), signature("deleted", name("subject"))
	push(t, store, deleted)
	pushing := begin(t, store, index.IntentPush, pushed)
	deleting := begin(t, store, index.IntentDelete, deleted)
	must(t, store.Settle(t.Context(), pushing, found(t, store, 10)))
	rebuilding(t, store)
	fill(t, store, deleted)
	// It was recorded before the rebuild began, and is open still.
	must(t, store.Settle(t.Context(), pushing, found(t, store, 11)))
	must(t, store.Settle(t.Context(), deleting, missing(t, store, 61)))
	finished(t, store)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(pushed))
	gone(t, store, deleted)
}

func notResurrected(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	for title, vanish := range map[string]func(){
		"deleted":   func() { remove(t, store, record) },
		"forgotten": func() { must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest)) },
		"settled": func() {
			id := begin(t, store, index.IntentDelete, record)
			must(t, store.Settle(t.Context(), id, missing(t, store, 61)))
		},
	} {
		push(t, store, record)
		rebuilding(t, store)
		before := mark(t, store)
		vanish()
		if err := store.Fill(t.Context(), before, nil, record); !errors.Is(err, index.ErrStale) {
			t.Fatalf("filled by a reading from before it was %s: %v", title, err)
		}
		finished(t, store)
		gone(t, store, record)
		mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
	}
}

func outlasting(t *testing.T, store index.Maintainer) {
	record, fresh := signature("sig", name("subject")), signature("new", name("subject"))
	push(t, store, record)
	before := mark(t, store)
	rebuilding(t, store)
	remove(t, store, fresh)
	pushing := begin(t, store, index.IntentPush, fresh)
	deleting := begin(t, store, index.IntentDelete, record)
	fill(t, store, record)
	finished(t, store)
	mustBe(t, store.Observe(t.Context(), before, fresh), index.ErrStale)
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{pushing, deleting})
	must(t, store.Confirm(t.Context(), pushing, after(2)))
	must(t, store.Confirm(t.Context(), deleting, after(2)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
}

func unfilledPages(t *testing.T, store index.Maintainer) {
	all := spread()
	must(t, store.Observe(t.Context(), mark(t, store), all...))
	rebuilding(t, store)
	var want []index.Record
	for i, record := range all {
		if i%3 == 1 {
			fill(t, store, record)
		} else {
			want = append(want, record)
		}
	}
	fill(t, store, signature("not live", name("subject")))
	for limit := 1; limit <= len(all)+1; limit++ {
		equal(t, fmt.Sprintf("walk by %d", limit), walkUnfilled(t, store, limit), want)
	}
	fill(t, store, want...)
	equal(t, "in the end", walkUnfilled(t, store, 1), nil)
}

// walkUnfilled follows what a rebuild lacks from call to call.
func walkUnfilled(t *testing.T, store index.Maintainer, limit int) []index.Record {
	t.Helper()
	var all []index.Record
	var after index.Key
	for {
		records, scanned, err := store.Unfilled(t.Context(), after, limit)
		must(t, err)
		if len(records) > limit {
			t.Fatalf("%d records, limit %d", len(records), limit)
		}
		all = append(all, records...)
		if scanned == (index.Key{}) {
			return all
		}
		if n := len(records); compareKeys(scanned, after) <= 0 || n > 0 && compareKeys(scanned, records[n-1].Key()) < 0 {
			t.Fatalf("looked up to %v behind %v, and found %v", scanned, after, records)
		}
		after = scanned
	}
}

func abandoned(t *testing.T, store index.Maintainer) {
	must(t, store.AbandonRebuild(t.Context()))
	live, fresh := signature("live", name("subject")), signature("new", name("subject"))
	push(t, store, live)
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("checkpoint"), fresh))
	must(t, store.AbandonRebuild(t.Context()))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(live))
	mustBe(t, store.FinishRebuild(t.Context()), index.ErrNoRebuild)
	stats, err := store.Stats(t.Context())
	must(t, err)
	equal(t, "records in the making", stats.Rebuilding, -1)
	rebuilding(t, store)
	finished(t, store)
	equal(t, "listing of one that was filled with nothing", listed(t, store, repo, name("subject")), nil)
}

func noRebuild(t *testing.T, store index.Maintainer) {
	live := signature("live", name("subject"))
	push(t, store, live)
	check := func() {
		t.Helper()
		mustBe(t, store.Fill(t.Context(), mark(t, store), nil), index.ErrNoRebuild)
		mustBe(t, store.Fill(t.Context(), mark(t, store), []byte("x"), live), index.ErrNoRebuild)
		_, _, err := store.Unfilled(t.Context(), index.Key{}, enough)
		mustBe(t, err, index.ErrNoRebuild)
		mustBe(t, store.FinishRebuild(t.Context()), index.ErrNoRebuild)
		must(t, store.AbandonRebuild(t.Context()))
	}
	check()
	rebuilding(t, store)
	fill(t, store, live)
	finished(t, store)
	check()
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(live))
}
