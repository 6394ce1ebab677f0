package indextest

import (
	"slices"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func removalStories() []story {
	return []story{
		{"what is removed is listed no more, and its removal is open", removedWhole},
		{"what is not recorded can be removed too", removedUnrecorded},
		{"what is read while a removal is open does not come back", readWhileRemoving},
		{"a removal that is open stays the only one", removedTwice},
		{"removals are listed by repository, in pages", removalPages},
		{"a removal is unsettled for no listing", removalSettlesNothing},
		{"a removal ends when its manifest is gone", removalEnds},
		{"a removal that is refused gives the record back", removalRefused},
		{"of a push and a removal the later one wins", removalsAndPushes},
		{"a delete carries a removal out only while nothing is pushed", carriedOutRemoval},
		upkeep("a removal outlasts a rebuild", removalRebuilt),
		upkeep("a removal is listed and counted by itself", removalCounts),
		upkeep("a removal changes its listing in the outbox", removalMirrored),
	}
}

func removalsOf(t tester, store index.Store, repository string) []index.Intent {
	t.Helper()
	removals, err := store.Removals(t.Context(), repository, 0, 0)
	must(t, err)
	return removals
}

// removing removes manifests at noon.
func removing(t tester, store index.Store, records ...index.Record) []index.IntentID {
	t.Helper()
	var keys []index.Key
	for _, record := range records {
		keys = append(keys, record.Key())
	}
	ids, err := store.Remove(t.Context(), noon, keys...)
	must(t, err)
	equal(t, "number of removals", len(ids), len(records))
	return ids
}

// removalOf is a removal at noon that took a record away.
func removalOf(id index.IntentID, record index.Record) index.Intent {
	return index.Intent{ID: id, Kind: index.IntentRemoval, Record: record, Deadline: noon}
}

func notRecorded(t tester, store index.Store, record index.Record) {
	t.Helper()
	_, err := store.Get(t.Context(), record.Repository, record.Digest)
	mustBe(t, err, index.ErrNotFound)
}

func bare(record index.Record) index.Record {
	return index.Record{Repository: record.Repository, Manifest: index.Manifest{Digest: record.Digest}}
}

func removedWhole(t *testing.T, store index.Store) {
	kept, one, two := signature("kept", name("subject")), signature("one", name("subject")), signature("two", name("other"))
	for _, record := range []index.Record{kept, one, two} {
		push(t, store, record)
	}
	ids := removing(t, store, two, one)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(kept))
	equal(t, "other listing", listed(t, store, repo, name("other")), nil)
	notRecorded(t, store, one)
	equal(t, "parents", parentsOf(t, store, name("layer of one")), nil)
	subjects, err := store.Subjects(t.Context(), repo, []digest.Digest{one.Digest})
	must(t, err)
	equal(t, "subject", subjects[0], "")
	want := []index.Intent{removalOf(ids[0], two), removalOf(ids[1], one)}
	equal(t, "removals", removalsOf(t, store, repo), want)
	equal(t, "removals elsewhere", removalsOf(t, store, sibling), nil)
	removing, err := store.Removing(t.Context(), repo, []digest.Digest{one.Digest, kept.Digest, two.Digest})
	must(t, err)
	equal(t, "being removed", removing, map[digest.Digest]index.IntentID{two.Digest: ids[0], one.Digest: ids[1]})
	none, err := store.Remove(t.Context(), noon)
	must(t, err)
	equal(t, "removals of nothing", none, nil)
}

func removedUnrecorded(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := removing(t, store, record)[0]
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(id, bare(record))})
	must(t, store.Observe(t.Context(), mark(t, store), record))
	notRecorded(t, store, record)
	must(t, store.Cancel(t.Context(), id))
	notRecorded(t, store, record)
	must(t, store.Observe(t.Context(), mark(t, store), record))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

func readWhileRemoving(t *testing.T, store index.Store) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, record)
	early := mark(t, store)
	id := removing(t, store, record)[0]
	must(t, store.Observe(t.Context(), mark(t, store), record, other))
	// Nor is it refused, and all else with it, for having been read before.
	must(t, store.Observe(t.Context(), early, record, other))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(other))
	late := mark(t, store)
	must(t, store.Confirm(t.Context(), id, after(1)))
	mustBe(t, store.Observe(t.Context(), late, record), index.ErrStale)
	must(t, store.Observe(t.Context(), mark(t, store), record))
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(record, other))
}

func removedTwice(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	first := removing(t, store, record)[0]
	before := mark(t, store)
	equal(t, "again", removing(t, store, record, record), []index.IntentID{first, first})
	equal(t, "mark", mark(t, store), before)
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(first, record)})

	// Once a push has begun, what is decided is another one.
	pushing := begin(t, store, index.IntentPush, record)
	second := removing(t, store, record)[0]
	if second <= pushing {
		t.Fatalf("removal %d, after push %d", second, pushing)
	}
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(second, record)})
	must(t, store.Confirm(t.Context(), first, after(1)))
	must(t, store.Confirm(t.Context(), pushing, after(1)))
	notRecorded(t, store, record)
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(second, record)})
	must(t, store.Confirm(t.Context(), second, after(1)))
	equal(t, "removals after", removalsOf(t, store, repo), nil)
}

func removalPages(t *testing.T, store index.Store) {
	var want, all []index.IntentID
	for i := range 5 {
		record := crowdMember(i)
		push(t, store, record)
		elsewhere := record
		elsewhere.Repository = sibling
		both := removing(t, store, record, elsewhere)
		want, all = append(want, both[0]), append(all, both...)
	}
	must(t, store.Confirm(t.Context(), want[1], after(1)))
	want, all = slices.Delete(want, 1, 2), slices.Delete(all, 2, 3)
	for _, limit := range []int{1, 2, 10, 0} {
		equal(t, "removals", walkRemovals(t, store, repo, limit), want)
		equal(t, "removals of all", walkRemovals(t, store, "", limit), all)
	}
	equal(t, "elsewhere", len(removalsOf(t, store, sibling)), 5)
}

func walkRemovals(t tester, store index.Store, repository string, limit int) (got []index.IntentID) {
	t.Helper()
	for after := index.IntentID(0); ; after = got[len(got)-1] {
		page, err := store.Removals(t.Context(), repository, after, limit)
		must(t, err)
		got = append(got, ids(page)...)
		if len(page) == 0 || limit == 0 {
			return got
		}
	}
}

func crowdMember(i int) index.Record { return signature(strconv.Itoa(i), name("subject")) }

func removalSettlesNothing(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	id := removing(t, store, record)[0]
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	for _, seconds := range []int{-1, 90, 1 << 20} {
		must(t, store.Settle(t.Context(), id, found(t, store, seconds)))
	}
	notRecorded(t, store, record)
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(id, record)})
	// A push of it is, and a delete because of that.
	pushing := begin(t, store, index.IntentPush, record)
	deleting := begin(t, store, index.IntentDelete, record)
	equal(t, "open", flags(t, store), map[index.IntentID]bool{pushing: true, deleting: true})
}

func removalEnds(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	for what, end := range map[string]func(id index.IntentID){
		"confirmed":      func(id index.IntentID) { must(t, store.Confirm(t.Context(), id, after(1))) },
		"settled absent": func(id index.IntentID) { must(t, store.Settle(t.Context(), id, missing(t, store, -1))) },
		"deleted":        func(index.IntentID) { remove(t, store, record) },
		"found deleted": func(index.IntentID) {
			must(t, store.Settle(t.Context(), begin(t, store, index.IntentDelete, record), missing(t, store, 90)))
		},
	} {
		push(t, store, record)
		id := removing(t, store, record)[0]
		before := mark(t, store)
		end(id)
		equal(t, what, removalsOf(t, store, repo), nil)
		mustBe(t, store.Observe(t.Context(), before, record), index.ErrStale)
		notRecorded(t, store, record)
	}
}

func removalRefused(t *testing.T, store index.Store) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, record)
	push(t, store, other)
	ids := removing(t, store, record, other)
	must(t, store.Cancel(t.Context(), ids[0]))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(ids[1], other)})
	must(t, store.Cancel(t.Context(), ids[0]))
	must(t, store.Confirm(t.Context(), ids[0], after(1)))
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(record))
}

// removalsAndPushes tells each case of the table of [index.Remover] that has a
// push.
func removalsAndPushes(t *testing.T, store index.Store) {
	confirmed := func(id index.IntentID) { must(t, store.Confirm(t.Context(), id, after(1))) }
	cancelled := func(id index.IntentID) { must(t, store.Cancel(t.Context(), id)) }
	present := func(id index.IntentID) { must(t, store.Settle(t.Context(), id, found(t, store, 90))) }
	early := func(id index.IntentID) { must(t, store.Settle(t.Context(), id, found(t, store, 2))) }
	absent := func(id index.IntentID) { must(t, store.Settle(t.Context(), id, missing(t, store, 90))) }
	for _, c := range []struct {
		what   string
		first  string
		end    func(index.IntentID)
		listed bool
		open   bool
	}{
		{"confirmed after", "removal", confirmed, true, false},
		{"found after", "removal", present, true, false},
		{"found early after", "removal", early, true, false},
		{"cancelled after", "removal", cancelled, false, true},
		{"absent after", "removal", absent, false, true},
		{"confirmed before", "push", confirmed, false, true},
		{"found before", "push", present, false, true},
		{"found early before", "push", early, false, true},
		{"cancelled before", "push", cancelled, false, true},
		{"absent before", "push", absent, false, true},
	} {
		record := signature(c.what, name("subject"))
		want := bare(record)
		var pushing, removal index.IntentID
		if c.first == "push" {
			pushing = begin(t, store, index.IntentPush, record)
			removal = removing(t, store, record)[0]
			// Nothing shows that it is gone: it may come yet.
			must(t, store.Settle(t.Context(), removal, missing(t, store, 90)))
			must(t, store.Confirm(t.Context(), removal, after(1)))
			equal(t, c.what+": removals meanwhile", removalsOf(t, store, repo), []index.Intent{removalOf(removal, want)})
		} else {
			removal = removing(t, store, record)[0]
			pushing = begin(t, store, index.IntentPush, record)
		}
		c.end(pushing)
		_, err := store.Get(t.Context(), repo, record.Digest)
		equal(t, c.what+": is listed", err == nil, c.listed)
		if open := removalsOf(t, store, repo); c.open {
			equal(t, c.what+": removals", ids(open), []index.IntentID{removal})
			if succeeded := c.first == "push" && open[0].TookAway(); succeeded {
				want = record
			}
			equal(t, c.what+": removal", open[0], removalOf(removal, want))
		} else {
			equal(t, c.what+": removals", open, nil)
		}
		must(t, store.Cancel(t.Context(), pushing))
		must(t, store.Confirm(t.Context(), removal, after(1)))
		equal(t, c.what+": removals at last", removalsOf(t, store, repo), nil)
	}
}

func carriedOutRemoval(t *testing.T, store index.Store) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, record)
	carry := func(removal index.IntentID, of index.Record) (index.IntentID, error) {
		return store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: bare(of), Deadline: after(60), CarriesOut: removal})
	}
	refused := func(removal index.IntentID, of index.Record) {
		t.Helper()
		before := mark(t, store)
		_, err := carry(removal, of)
		mustBe(t, err, index.ErrStale)
		equal(t, "mark", mark(t, store), before)
	}
	refused(12345, record)
	removal := removing(t, store, record)[0]
	refused(removal, other)
	pushing := begin(t, store, index.IntentPush, record)
	refused(removal, record)
	must(t, store.Cancel(t.Context(), pushing))

	deleting, err := carry(removal, record)
	must(t, err)
	pushing = begin(t, store, index.IntentPush, record)
	equal(t, "contended", flags(t, store), map[index.IntentID]bool{deleting: true, pushing: true})
	must(t, store.Confirm(t.Context(), deleting, after(1)))
	must(t, store.Confirm(t.Context(), pushing, after(1)))
	equal(t, "removals", ids(removalsOf(t, store, repo)), []index.IntentID{removal})
	// The delete came last, as the upstream says.
	must(t, store.Settle(t.Context(), pushing, missing(t, store, 90)))
	equal(t, "removals", ids(removalsOf(t, store, repo)), []index.IntentID{removal})
	must(t, store.Settle(t.Context(), deleting, missing(t, store, 90)))
	equal(t, "removals", removalsOf(t, store, repo), nil)
	refused(removal, record)

	removal = removing(t, store, record)[0]
	deleting, err = carry(removal, record)
	must(t, err)
	pushing = begin(t, store, index.IntentPush, record)
	must(t, store.Confirm(t.Context(), pushing, after(1)))
	must(t, store.Settle(t.Context(), pushing, found(t, store, 2)))
	must(t, store.Settle(t.Context(), deleting, found(t, store, 90)))
	equal(t, "removals", removalsOf(t, store, repo), nil)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}
