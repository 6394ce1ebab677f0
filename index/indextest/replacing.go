package indextest

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func replacingStories() []story {
	return []story{
		{"a push takes the place of what it replaces at once", replaced},
		{"what a push replaces is kept with it", replacesKept},
		{"a push that is refused replaces nothing", replacingRefused},
		{"a push that is found to be carried out replaces once", replacingFound},
		{"a contended push replaces when it is found", replacingContended},
		{"a push that a removal has overtaken replaces nothing", replacingOvertaken},
		{"pushes that replace each other leave one", replacingEachOther},
		{"each push of a chain takes the place of the one before", replacingChain},
		{"as many as may be are replaced by one push", replacingMany},
	}
}

// replacingLimits are what the model doesn't check.
func replacingLimits() []story {
	return []story{{"what can't be replaced is refused", replacingWrong}}
}

// beginReplacing begins a push that replaces others and is over a minute after noon.
func beginReplacing(t tester, store index.Store, record index.Record, others ...index.Record) index.IntentID {
	t.Helper()
	intent := index.Intent{Kind: index.IntentPush, Record: record, Deadline: after(60)}
	for _, other := range others {
		intent.Replaces = append(intent.Replaces, other.Digest)
	}
	id, err := store.Begin(t.Context(), intent)
	must(t, err)
	return id
}

func oldAndNew(t tester, store index.Store) (old, fresh index.Record) {
	t.Helper()
	old, fresh = signature("old", name("subject")), signature("new", name("subject"))
	push(t, store, old)
	return old, fresh
}

func replaced(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	other, unknown := signature("other", name("subject")), signature("unknown", name("subject"))
	push(t, store, other)
	id := beginReplacing(t, store, fresh, old, unknown)
	equal(t, "listing before", listed(t, store, repo, name("subject")), sorted(old, other))
	equal(t, "removals before", removalsOf(t, store, repo), nil)
	must(t, store.Confirm(t.Context(), id, after(5)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh, other))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	removals := removalsOf(t, store, repo)
	equal(t, "number of removals", len(removals), 2)
	for i, record := range []index.Record{old, bare(unknown)} {
		if removals[i].ID <= id {
			t.Errorf("removal %d of push %d", removals[i].ID, id)
		}
		want := removalOf(removals[i].ID, record)
		want.Deadline = after(5)
		equal(t, "removal", removals[i], want)
	}
}

func replacesKept(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	other := signature("other", name("subject"))
	other.Digest = digest.SHA512.FromString("other")
	id := beginReplacing(t, store, fresh, old, other)
	plain := begin(t, store, index.IntentPush, fresh)
	open := unsettled(t, store, name("subject"))
	equal(t, "open", ids(open), []index.IntentID{id, plain})
	equal(t, "replaced", open[0].Replaces, []digest.Digest{old.Digest, other.Digest})
	equal(t, "replaced", open[1].Replaces, nil)
	// Nor is it lost when the intent is written again.
	begin(t, store, index.IntentDelete, fresh)
	open = unsettled(t, store, name("subject"))
	equal(t, "contended", open[0].Contended, true)
	equal(t, "replaced", open[0].Replaces, []digest.Digest{old.Digest, other.Digest})
}

func replacingRefused(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	must(t, store.Cancel(t.Context(), beginReplacing(t, store, fresh, old)))
	must(t, store.Settle(t.Context(), beginReplacing(t, store, fresh, old), missing(t, store, 90)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(old))
	equal(t, "removals", removalsOf(t, store, repo), nil)
	equal(t, "open", unsettled(t, store, name("subject")), nil)
}

func replacingFound(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	id := beginReplacing(t, store, fresh, old)
	must(t, store.Settle(t.Context(), id, found(t, store, 2)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
	removals := removalsOf(t, store, repo)
	equal(t, "removed", removals[0].Record, old)
	equal(t, "decided", removals[0].Deadline, after(2))
	open := unsettled(t, store, name("subject"))
	equal(t, "open", ids(open), []index.IntentID{id})
	equal(t, "replaced", open[0].Replaces, nil)

	// What is pushed again since stays, however often the push is found.
	push(t, store, old)
	must(t, store.Settle(t.Context(), id, found(t, store, 3)))
	must(t, store.Settle(t.Context(), id, found(t, store, 90)))
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(fresh, old))
	equal(t, "removals after", removalsOf(t, store, repo), nil)
}

func replacingContended(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	for _, present := range []bool{false, true} {
		id := beginReplacing(t, store, fresh, old)
		deleting := begin(t, store, index.IntentDelete, fresh)
		must(t, store.Confirm(t.Context(), id, after(5)))
		equal(t, "listing", listed(t, store, repo, name("subject")), sorted(old))
		finding := missing(t, store, 90)
		finding.Present = present
		must(t, store.Settle(t.Context(), id, finding))
		want := map[bool]index.Record{false: old, true: fresh}[present]
		equal(t, fmt.Sprintf("listing, present %t", present), listed(t, store, repo, name("subject")), sorted(want))
		must(t, store.Cancel(t.Context(), deleting))
	}
	equal(t, "removals", len(removalsOf(t, store, repo)), 1)
}

func replacingOvertaken(t *testing.T, store index.Store) {
	old, fresh := oldAndNew(t, store)
	id := beginReplacing(t, store, fresh, old)
	removal := removing(t, store, fresh)[0]
	must(t, store.Confirm(t.Context(), id, after(1)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(old))
	equal(t, "removals", removalsOf(t, store, repo), []index.Intent{removalOf(removal, fresh)})
}

func replacingEachOther(t *testing.T, store index.Store) {
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	push(t, store, one)
	push(t, store, two)
	first, second := beginReplacing(t, store, one, two), beginReplacing(t, store, two, one)
	must(t, store.Confirm(t.Context(), first, after(1)))
	must(t, store.Confirm(t.Context(), second, after(1)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(one))
	equal(t, "removals", len(removalsOf(t, store, repo)), 1)
}

func replacingChain(t *testing.T, store index.Store) {
	var last index.Record
	for i := range 5 {
		record := crowdMember(i)
		if i == 0 {
			push(t, store, record)
		} else {
			must(t, store.Confirm(t.Context(), beginReplacing(t, store, record, last), after(i)))
		}
		equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
		last = record
	}
	// And back: what was replaced can be pushed again.
	must(t, store.Confirm(t.Context(), beginReplacing(t, store, crowdMember(0), last), after(9)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(crowdMember(0)))
	equal(t, "removals", len(removalsOf(t, store, repo)), 4)
}

func replacingMany(t *testing.T, store index.Store) {
	var old []index.Record
	for i := range index.MaxReplaces {
		old = append(old, signature(fmt.Sprint(i), name("subject")))
	}
	must(t, store.Observe(t.Context(), mark(t, store), old...))
	fresh := signature("new", name("subject"))
	must(t, store.Confirm(t.Context(), beginReplacing(t, store, fresh, old...), after(1)))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(fresh))
	equal(t, "removals", len(removalsOf(t, store, repo)), len(old))
}

func replacingWrong(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	many := make([]digest.Digest, index.MaxReplaces+1)
	for i := range many {
		many[i] = name(fmt.Sprint(i))
	}
	other := []digest.Digest{name("other")}
	for _, wrong := range []index.Intent{
		{Kind: index.IntentPush, Record: record, Replaces: []digest.Digest{name("other"), record.Digest}},
		{Kind: index.IntentPush, Record: record, Replaces: []digest.Digest{name("other"), "sha256:abc"}},
		{Kind: index.IntentPush, Record: record, Replaces: []digest.Digest{""}},
		{Kind: index.IntentPush, Record: record, Replaces: many},
		{Kind: index.IntentDelete, Record: bare(record), Replaces: other},
		{Kind: index.IntentImport, Record: index.Record{Repository: repo}, Tag: "tag", Replaces: other},
		{Kind: index.IntentPush, Record: record, CarriesOut: 1},
		{Kind: index.IntentRemoval, Record: record},
	} {
		_, err := store.Begin(t.Context(), wrong)
		mustBe(t, err, index.ErrInvalid)
	}
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	equal(t, "removals", removalsOf(t, store, repo), nil)
}
