package indextest

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func upkeepStories() []story {
	return []story{
		upkeep("all records are listed in the order of their keys", allRecords),
		upkeep("open intents of all repositories are listed in the order of their identifiers", allIntents),
		upkeep("what the upstream has not is forgotten with all that came of it", forgotten),
		upkeep("what is not recorded can be forgotten with any mark", forgottenUnknown),
		upkeep("what was recorded since the mark is not forgotten", notForgottenRecorded),
		upkeep("what is being pushed is not forgotten", notForgottenPushed),
		upkeep("what is being deleted can be forgotten", forgottenDeleted),
		upkeep("what was read before it was forgotten does not come back", forgottenStays),
		upkeep("the counts are those of what is stored", counted),
	}
}

// spread returns records of several repositories and algorithms, in the order
// of their keys.
func spread() []index.Record {
	var records []index.Record
	for _, repository := range []string{"a", "library/ap", repo, sibling, repo + "/x"} {
		for _, d := range []digest.Digest{digest.SHA256.FromString("1"), digest.SHA384.FromString("2"), digest.SHA512.FromString("3")} {
			record := signature("spread", name("subject"))
			record.Repository, record.Digest = repository, d
			records = append(records, record)
		}
	}
	return records
}

func allRecords(t *testing.T, store index.Maintainer) {
	want := spread()
	equal(t, "records of an empty store", walkRecords(t, store, 1), nil)
	must(t, store.Observe(t.Context(), mark(t, store), want...))
	for limit := 1; limit <= len(want)+1; limit++ {
		equal(t, fmt.Sprintf("walk by %d", limit), walkRecords(t, store, limit), want)
	}
	for i, record := range want {
		rest, err := store.Records(t.Context(), record.Key(), enough)
		must(t, err)
		equal(t, "behind a record", rest, want[i+1:])
	}
	remove(t, store, want[4])
	rest, err := store.Records(t.Context(), want[4].Key(), 2)
	must(t, err)
	equal(t, "behind one that is gone", rest, want[5:7])
	rest, err = store.Records(t.Context(), want[len(want)-1].Key(), enough)
	must(t, err)
	equal(t, "behind the last", rest, nil)
}

func walkRecords(t *testing.T, store index.Maintainer, limit int) []index.Record {
	t.Helper()
	var all []index.Record
	for after := (index.Key{}); ; after = all[len(all)-1].Key() {
		page, err := store.Records(t.Context(), after, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("%d records, limit %d", len(page), limit)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

func allIntents(t *testing.T, store index.Maintainer) {
	elsewhere := signature("elsewhere", name("subject"))
	elsewhere.Repository = sibling
	open := []index.IntentID{
		begin(t, store, index.IntentPush, signature("sig", name("subject"))),
		begin(t, store, index.IntentDelete, signature("unknown", name("subject"))),
		begin(t, store, index.IntentPush, elsewhere),
		importOf(t, store, name("subject")),
	}
	ended := begin(t, store, index.IntentPush, signature("other", name("subject")))
	open = append(open, begin(t, store, index.IntentDelete, elsewhere))
	must(t, store.Cancel(t.Context(), ended))

	for limit := 1; limit <= len(open)+1; limit++ {
		var got []index.IntentID
		for after := index.IntentID(0); ; after = got[len(got)-1] {
			page, err := store.Intents(t.Context(), after, limit)
			must(t, err)
			if len(page) == 0 {
				break
			}
			got = append(got, ids(page)...)
		}
		equal(t, fmt.Sprintf("walk by %d", limit), got, open)
	}
	all, err := store.Intents(t.Context(), 0, enough)
	must(t, err)
	equal(t, "contended", []bool{all[0].Contended, all[2].Contended, all[4].Contended}, []bool{false, true, true})
	equal(t, "record", all[2].Record, elsewhere)
	behind, err := store.Intents(t.Context(), ended, enough)
	must(t, err)
	equal(t, "behind one that has ended", ids(behind), open[4:])
}

// gone checks that nothing is left of a record.
func gone(t *testing.T, store index.Maintainer, record index.Record) {
	t.Helper()
	_, err := store.Get(t.Context(), record.Repository, record.Digest)
	mustBe(t, err, index.ErrNotFound)
	for _, edge := range record.Edges {
		for _, parent := range parentsOf(t, store, edge.Target) {
			if parent.Digest == record.Digest {
				t.Fatalf("is still a parent: %v", parent)
			}
		}
	}
}

func forgotten(t *testing.T, store index.Maintainer) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	elsewhere := record
	elsewhere.Repository = sibling
	push(t, store, record)
	must(t, store.Observe(t.Context(), mark(t, store), other, elsewhere))
	must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest))
	gone(t, store, record)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(other))
	equal(t, "listing elsewhere", listed(t, store, sibling, name("subject")), sorted(elsewhere))
	must(t, store.Forget(t.Context(), mark(t, store), repo, other.Digest))
	push(t, store, record)
	equal(t, "listing after another push", listed(t, store, repo, name("subject")), sorted(record))
}

func forgottenUnknown(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	before := mark(t, store)
	remove(t, store, record)
	begin(t, store, index.IntentPush, record)
	must(t, store.Forget(t.Context(), before, repo, record.Digest))
	must(t, store.Forget(t.Context(), mark(t, store), repo, name("unknown")))
	// It has noted nothing that would make a reading stale.
	must(t, store.Observe(t.Context(), mark(t, store), record))
}

func notForgottenRecorded(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	for title, come := range map[string]func(){
		"pushed":       func() { push(t, store, record) },
		"pushed again": func() { push(t, store, record) },
		"observed": func() {
			must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest))
			must(t, store.Observe(t.Context(), mark(t, store), record))
		},
		"settled": func() {
			id := begin(t, store, index.IntentPush, record)
			must(t, store.Settle(t.Context(), id, found(t, store, 61)))
		},
	} {
		before := mark(t, store)
		come()
		mustBe(t, store.Forget(t.Context(), before, repo, record.Digest), index.ErrStale)
		equal(t, "listing of what was "+title, listed(t, store, repo, record.Subject()), sorted(record))
	}
	must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest))
}

func notForgottenPushed(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	id := begin(t, store, index.IntentPush, record)
	// The registry may have got it after it was asked.
	mustBe(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest), index.ErrStale)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
	must(t, store.Cancel(t.Context(), id))
	must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest))
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func forgottenDeleted(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	id := begin(t, store, index.IntentDelete, record)
	must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest))
	gone(t, store, record)
	must(t, store.Confirm(t.Context(), id, after(2)))
}

func forgottenStays(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	before := mark(t, store)
	must(t, store.Forget(t.Context(), before, repo, record.Digest))
	mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
	gone(t, store, record)
	must(t, store.Observe(t.Context(), mark(t, store), record))
}

func counted(t *testing.T, store index.Maintainer) {
	check := func(want index.Stats) {
		t.Helper()
		got, err := store.Stats(t.Context())
		must(t, err)
		if got.Bytes < 0 {
			t.Fatalf("%d bytes", got.Bytes)
		}
		got.Bytes = 0
		equal(t, "stats", got, want)
	}
	check(index.Stats{Rebuilding: -1})
	plain := index.Record{Repository: "a", Manifest: index.Manifest{Digest: name("plain")}}
	push(t, store, plain)
	push(t, store, signature("one", name("subject")))
	push(t, store, signature("two", name("subject")))
	begin(t, store, index.IntentPush, signature("three", name("subject")))
	importOf(t, store, name("subject"))
	check(index.Stats{Repositories: 2, Records: 3, Referrers: 2, Edges: 6, Intents: 2, Rebuilding: -1})
	rebuilding(t, store)
	check(index.Stats{Repositories: 2, Records: 3, Referrers: 2, Edges: 6, Intents: 2})
	fill(t, store, plain, signature("four", name("subject")))
	check(index.Stats{Repositories: 2, Records: 3, Referrers: 2, Edges: 6, Intents: 2, Rebuilding: 2})
}
