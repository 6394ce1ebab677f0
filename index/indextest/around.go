package indextest

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func aroundStories() []story {
	return []story{
		{"what is around manifests", aroundManifests},
		{"what is around many manifests", aroundMany},
		{"whether intents are open", anyOpen},
	}
}

// aroundManifests reads records and referrers at once, of one repository alone.
func aroundManifests(t *testing.T, store index.Store) {
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	above := signature("above", one.Digest)
	for _, record := range []index.Record{one, two, above} {
		push(t, store, record)
	}
	get := func(d digest.Digest) index.Record {
		record, err := store.Get(t.Context(), repo, d)
		must(t, err)
		return record
	}
	first, second := get(one.Digest), get(two.Digest)
	if first.Digest > second.Digest {
		first, second = second, first
	}
	asked := []digest.Digest{two.Digest, name("subject"), name("unknown"), one.Digest, two.Digest}
	got, err := store.Around(t.Context(), repo, asked, 2)
	must(t, err)
	recordOne, recordTwo := get(one.Digest), get(two.Digest)
	equal(t, "around", got, map[digest.Digest]index.Around{
		name("subject"): {Referrers: []index.Record{first, second}},
		one.Digest:      {Record: &recordOne, Referrers: []index.Record{get(above.Digest)}},
		two.Digest:      {Record: &recordTwo},
	})
	got, err = store.Around(t.Context(), repo, []digest.Digest{name("subject")}, 0)
	must(t, err)
	equal(t, "the first of them", got, map[digest.Digest]index.Around{name("subject"): {Referrers: []index.Record{first}, More: true}})
	for what, of := range map[string][]digest.Digest{"none": nil, "unknown": {name("unknown")}} {
		got, err = store.Around(t.Context(), repo, of, 1)
		must(t, err)
		equal(t, what, len(got), 0)
	}
	got, err = store.Around(t.Context(), sibling, asked, 1)
	must(t, err)
	equal(t, "in another repository", len(got), 0)
}

// aroundMany reads what is around many manifests, as a page of tags has them.
func aroundMany(t *testing.T, store index.Store) {
	want := map[digest.Digest]int{}
	var asked []digest.Digest
	var records []index.Record
	for i := range 300 {
		subject := name(fmt.Sprint("subject ", i))
		asked = append(asked, subject)
		for j := range i % 4 {
			records = append(records, signature(fmt.Sprint("many ", i, " ", j), subject))
			want[subject]++
		}
	}
	mark, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), mark, records...))
	found, err := store.Around(t.Context(), repo, asked, 100)
	must(t, err)
	got := map[digest.Digest]int{}
	for subject, around := range found {
		got[subject] = len(around.Referrers)
		for _, record := range around.Referrers {
			equal(t, "subject", record.Subject(), subject)
		}
	}
	equal(t, "referrers", got, want)
}

// anyOpen asks whether a repository has open intents, of whichever kind.
func anyOpen(t *testing.T, store index.Store) {
	open := func(repository string, want bool) {
		t.Helper()
		got, err := store.Open(t.Context(), repository)
		must(t, err)
		equal(t, "open intents of "+repository, got, want)
	}
	record := signature("one", name("subject"))
	open(repo, false)
	push, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentPush, Record: record, Deadline: noon})
	must(t, err)
	open(repo, true)
	open(sibling, false)
	must(t, store.Confirm(t.Context(), push, noon))
	open(repo, false)
	imported, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentImport, Record: index.Record{Repository: repo}, Tag: "sha256-0", Deadline: noon})
	must(t, err)
	open(repo, true)
	must(t, store.Cancel(t.Context(), imported))
	open(repo, false)
	_, err = store.Remove(t.Context(), noon, record.Key())
	must(t, err)
	open(repo, false)
}

// compareAround compares what is around manifests.
func (h *history) compareAround(repository string) {
	ctx := h.t.Context()
	of := append(manifests(), subjects()...)
	for _, most := range []int{1, len(of)} {
		got, err := h.store.Around(ctx, repository, of, most)
		h.check(h.t, err)
		want, _ := h.model.Around(ctx, repository, of, most)
		equal(h.t, "what is around manifests", got, want)
	}
	open, err := h.store.Open(ctx, repository)
	h.check(h.t, err)
	wanted, _ := h.model.Open(ctx, repository)
	equal(h.t, "whether intents are open", open, wanted)
}
