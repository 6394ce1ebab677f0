package indextest

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func intentStories() []story {
	return []story{
		{"a push is unsettled until it is confirmed, and listed then", confirmedPush},
		{"a push that is refused leaves nothing", cancelledPush},
		{"a delete is unsettled while it may shorten the listing", unsettledDelete},
		{"a delete of what is being pushed is unsettled too", unsettledDeleteOfPush},
		{"a delete that is refused leaves everything", cancelledDelete},
		{"an import is unsettled for the subjects of its tag", unsettledImport},
		{"an intent concerns one subject of one repository", unsettledElsewhere},
		{"a push without a subject concerns no listing", pushWithoutSubject},
		{"the oldest comes first", oldestFirst},
		{"no identifier is given twice", freshIDs},
		{"an intent is kept whole", wholeIntent},
		{"a push and a delete at once are contended", contended},
		{"two pushes or two deletes are not", notContended},
		{"a contended intent stays open when it is confirmed", contendedConfirmed},
		{"a contended intent that is refused ends", contendedCancelled},
		{"what has ended is left alone", endedIntents},
	}
}

// ids returns the identifiers of intents.
func ids(intents []index.Intent) []index.IntentID {
	list := make([]index.IntentID, 0, len(intents))
	for _, intent := range intents {
		list = append(list, intent.ID)
	}
	return list
}

func confirmedPush(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{id})
	equal(t, "listing before", listed(t, store, repo, name("subject")), nil)

	must(t, store.Confirm(t.Context(), id, after(1)))
	equal(t, "open after", unsettled(t, store, name("subject")), nil)
	equal(t, "listing after", listed(t, store, repo, name("subject")), sorted(record))
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
}

func cancelledPush(t *testing.T, store index.Store) {
	id := begin(t, store, index.IntentPush, signature("sig", name("subject")))
	must(t, store.Cancel(t.Context(), id))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func unsettledDelete(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	early := begin(t, store, index.IntentDelete, record)
	equal(t, "open while nothing is recorded", unsettled(t, store, name("subject")), nil)

	must(t, store.Observe(t.Context(), mark(t, store), record))
	equal(t, "open once it is", ids(unsettled(t, store, name("subject"))), []index.IntentID{early})

	must(t, store.Confirm(t.Context(), early, after(1)))
	equal(t, "open after", unsettled(t, store, name("subject")), nil)
	equal(t, "listing after", listed(t, store, repo, name("subject")), nil)
}

func unsettledDeleteOfPush(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	pushing := begin(t, store, index.IntentPush, record)
	deleting := begin(t, store, index.IntentDelete, record)
	begin(t, store, index.IntentDelete, signature("other", name("subject")))
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{pushing, deleting})
}

func cancelledDelete(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	id := begin(t, store, index.IntentDelete, record)
	must(t, store.Cancel(t.Context(), id))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

// importOf begins the push of a referrers tag.
func importOf(t *testing.T, store index.Store, subject digest.Digest) index.IntentID {
	t.Helper()
	id, err := store.Begin(t.Context(), index.Intent{
		Kind:     index.IntentImport,
		Record:   index.Record{Repository: repo},
		Tag:      oci.ReferrersTag(subject),
		Deadline: after(60),
	})
	must(t, err)
	return id
}

func unsettledImport(t *testing.T, store index.Store) {
	// The tag of a long digest is cut, so that it stands for others too.
	long := digest.SHA512.FromString("subject")
	twin := long[:len(long)-1] + "0"
	if twin == long {
		twin = long[:len(long)-1] + "1"
	}
	id := importOf(t, store, long)
	for _, subject := range []digest.Digest{long, twin} {
		open := unsettled(t, store, subject)
		equal(t, "open", ids(open), []index.IntentID{id})
		equal(t, "tag", open[0].Tag, oci.ReferrersTag(subject))
	}
	equal(t, "open for another", unsettled(t, store, name("subject")), nil)
	must(t, store.Confirm(t.Context(), id, after(1)))
	equal(t, "open after", unsettled(t, store, long), nil)

	id = importOf(t, store, long)
	must(t, store.Cancel(t.Context(), id))
	equal(t, "open after it was refused", unsettled(t, store, long), nil)
}

func unsettledElsewhere(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	begin(t, store, index.IntentPush, record)
	importOf(t, store, name("subject"))
	push(t, store, signature("old", name("subject")))
	begin(t, store, index.IntentDelete, signature("old", name("subject")))
	equal(t, "open here", len(unsettled(t, store, name("subject"))), 3)
	equal(t, "open for another subject", unsettled(t, store, name("another")), nil)
	equal(t, "open for the manifest itself", unsettled(t, store, record.Digest), nil)
	for _, repository := range []string{sibling, "library", "library/ap", "unknown"} {
		open, err := store.Unsettled(t.Context(), repository, name("subject"))
		must(t, err)
		equal(t, "open in "+repository, open, nil)
	}
}

func pushWithoutSubject(t *testing.T, store index.Store) {
	record := index.Record{Repository: repo, Manifest: index.Manifest{
		Digest: name("image"), Edges: []index.Edge{{Kind: index.EdgeLayer, Target: name("subject")}},
	}}
	id := begin(t, store, index.IntentPush, record)
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	must(t, store.Confirm(t.Context(), id, after(1)))
	_, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
}

func oldestFirst(t *testing.T, store index.Store) {
	var want []index.IntentID
	for i := range 5 {
		record := signature(fmt.Sprint(i), name("subject"))
		push(t, store, record)
		want = append(want,
			begin(t, store, index.IntentDelete, record),
			importOf(t, store, name("subject")),
			begin(t, store, index.IntentPush, signature(fmt.Sprint("new", i), name("subject"))))
	}
	equal(t, "open", ids(unsettled(t, store, name("subject"))), want)
}

func freshIDs(t *testing.T, store index.Store) {
	given := make(map[index.IntentID]bool)
	for range 5 {
		id := begin(t, store, index.IntentPush, signature("sig", name("subject")))
		if given[id] {
			t.Fatalf("identifier %d was given twice", id)
		}
		given[id] = true
		must(t, store.Cancel(t.Context(), id))
	}
}

func wholeIntent(t *testing.T, store index.Store) {
	intent := index.Intent{
		ID:        7,
		Kind:      index.IntentPush,
		Record:    signature("sig", name("subject")),
		Deadline:  after(60).Add(1),
		Contended: true,
		Recorded:  true,
	}
	id, err := store.Begin(t.Context(), intent)
	must(t, err)
	// What only the store can know it does not take from others.
	intent.ID, intent.Contended, intent.Recorded = id, false, false
	equal(t, "open", unsettled(t, store, name("subject")), []index.Intent{intent})
}

// flags returns which of the open intents are contended.
func flags(t *testing.T, store index.Store) map[index.IntentID]bool {
	t.Helper()
	flags := make(map[index.IntentID]bool)
	for _, intent := range unsettled(t, store, name("subject")) {
		flags[intent.ID] = intent.Contended
	}
	return flags
}

func contended(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	one := begin(t, store, index.IntentPush, record)
	two := begin(t, store, index.IntentPush, record)
	three := begin(t, store, index.IntentDelete, record)
	equal(t, "contended", flags(t, store), map[index.IntentID]bool{one: true, two: true, three: true})

	four := begin(t, store, index.IntentPush, record)
	equal(t, "contended later", flags(t, store)[four], true)
}

func notContended(t *testing.T, store index.Store) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, other)
	elsewhere := record
	elsewhere.Repository = sibling
	one := begin(t, store, index.IntentPush, record)
	two := begin(t, store, index.IntentPush, record)
	three := begin(t, store, index.IntentDelete, other)
	four := begin(t, store, index.IntentDelete, other)
	begin(t, store, index.IntentDelete, elsewhere)
	want := map[index.IntentID]bool{one: false, two: false, three: false, four: false}
	equal(t, "contended", flags(t, store), want)
}

func contendedConfirmed(t *testing.T, store index.Store) {
	known, fresh := signature("known", name("subject")), signature("fresh", name("subject"))
	push(t, store, known)
	for _, record := range []index.Record{known, fresh} {
		for _, kind := range []index.IntentKind{index.IntentPush, index.IntentDelete} {
			must(t, store.Confirm(t.Context(), begin(t, store, kind, record), after(3)))
		}
	}
	// None was open at once with another, so all have ended.
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	push(t, store, known)

	for _, record := range []index.Record{known, fresh} {
		pushing := begin(t, store, index.IntentPush, record)
		deleting := begin(t, store, index.IntentDelete, record)
		must(t, store.Confirm(t.Context(), pushing, after(5)))
		must(t, store.Confirm(t.Context(), deleting, after(6)))
	}
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(known))
	open := unsettled(t, store, name("subject"))
	equal(t, "number of open ones", len(open), 4)
	for i, intent := range open {
		equal(t, "deadline", intent.Deadline, after(5+i%2))
	}
}

func contendedCancelled(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	pushing := begin(t, store, index.IntentPush, record)
	deleting := begin(t, store, index.IntentDelete, record)
	must(t, store.Cancel(t.Context(), deleting))
	equal(t, "contended", flags(t, store), map[index.IntentID]bool{pushing: true})
	must(t, store.Cancel(t.Context(), pushing))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func endedIntents(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	deleting := begin(t, store, index.IntentDelete, record)
	must(t, store.Cancel(t.Context(), deleting))
	pushing := begin(t, store, index.IntentPush, signature("other", name("subject")))
	must(t, store.Cancel(t.Context(), pushing))
	for _, id := range []index.IntentID{deleting, pushing, 0, 12345} {
		must(t, store.Confirm(t.Context(), id, after(2)))
		must(t, store.Cancel(t.Context(), id))
		must(t, store.Settle(t.Context(), id, found(t, store, 90)))
		must(t, store.Settle(t.Context(), id, missing(t, store, 90)))
		// What has ended can't be stale either.
		must(t, store.Settle(t.Context(), id, index.Finding{}))
	}
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}
