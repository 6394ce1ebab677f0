package indextest

import (
	"fmt"
	"testing"

	"github.com/backref/backref/index"
)

func outboxStories() []story {
	return []story{
		upkeep("while it is off nothing is entered", outboxOff),
		upkeep("turning it on enters the subjects of all records", outboxBackfill),
		upkeep("every change of a record enters its subject", outboxChanges),
		upkeep("turning it on or off again has no effect", outboxTwice),
		upkeep("turning it off clears it, and no number is used twice", outboxCleared),
		upkeep("what has changed last comes last, by pages", outboxOrder),
		upkeep("what was written is taken out, unless it has changed since", outboxWritten),
		upkeep("the swap of a rebuild enters exactly what differs", outboxSwap),
		upkeep("what a rebuild fills, and one that is abandoned, enters nothing", outboxRebuild),
	}
}

// mirrored turns the outbox on and empties it.
func mirrored(t *testing.T, store index.Maintainer) {
	t.Helper()
	must(t, store.SetOutbox(t.Context(), true))
	written(t, store)
}

// changes returns all entries, whose numbers have to grow.
func changes(t *testing.T, store index.Maintainer) []index.Change {
	t.Helper()
	changes, err := store.Changed(t.Context(), 0, enough)
	must(t, err)
	last := uint64(0)
	for _, change := range changes {
		if change.Number <= last {
			t.Fatalf("entry %v stands behind number %d", change, last)
		}
		last = change.Number
	}
	return changes
}

// written takes all entries out.
func written(t *testing.T, store index.Maintainer) {
	t.Helper()
	for _, change := range changes(t, store) {
		must(t, store.Written(t.Context(), change))
	}
	equal(t, "left in the outbox", changes(t, store), nil)
}

// entered returns what the entries are about.
func entered(t *testing.T, store index.Maintainer) map[listing]bool {
	t.Helper()
	about := make(map[listing]bool)
	for _, change := range changes(t, store) {
		at := listing{change.Repository, change.Subject}
		if about[at] {
			t.Fatalf("%v is entered twice", at)
		}
		about[at] = true
	}
	if len(about) == 0 {
		return nil
	}
	return about
}

// subjectsOf returns listings of the repository of the stories.
func subjectsOf(subjects ...string) map[listing]bool {
	about := make(map[listing]bool)
	for _, subject := range subjects {
		about[listing{repo, name(subject)}] = true
	}
	return about
}

func outboxOff(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	remove(t, store, record)
	equal(t, "entered", entered(t, store), nil)
	must(t, store.SetOutbox(t.Context(), false))
	must(t, store.Written(t.Context(), index.Change{Number: 1, Repository: repo, Subject: name("subject")}))
	equal(t, "entered", entered(t, store), nil)
}

func outboxBackfill(t *testing.T, store index.Maintainer) {
	elsewhere := signature("elsewhere", name("b"))
	elsewhere.Repository = sibling
	gone := signature("gone", name("gone"))
	for _, record := range []index.Record{
		signature("1", name("a")), signature("2", name("a")), signature("3", name("b")), elsewhere, gone,
		{Repository: repo, Manifest: index.Manifest{Digest: name("plain")}},
	} {
		push(t, store, record)
	}
	remove(t, store, gone)
	must(t, store.SetOutbox(t.Context(), true))
	want := subjectsOf("a", "b")
	want[listing{sibling, name("b")}] = true
	equal(t, "entered", entered(t, store), want)
}

func outboxChanges(t *testing.T, store index.Maintainer) {
	record := signature("sig", name("subject"))
	plain := index.Record{Repository: repo, Manifest: index.Manifest{Digest: name("plain")}}
	mirrored(t, store)
	enters := func(what string, want map[listing]bool, change func()) {
		t.Helper()
		change()
		equal(t, what, entered(t, store), want)
		written(t, store)
	}
	one := subjectsOf("subject")
	var id index.IntentID
	enters("beginning", nil, func() { id = begin(t, store, index.IntentPush, record) })
	enters("a push", one, func() { must(t, store.Confirm(t.Context(), id, after(1))) })
	enters("observing what is known", nil, func() { must(t, store.Observe(t.Context(), mark(t, store), record)) })
	enters("a delete", one, func() { remove(t, store, record) })
	enters("a delete of nothing", nil, func() { remove(t, store, record) })
	enters("observing", one, func() { must(t, store.Observe(t.Context(), mark(t, store), record)) })
	enters("forgetting", one, func() { must(t, store.Forget(t.Context(), mark(t, store), repo, record.Digest)) })
	enters("settling a push", one, func() {
		must(t, store.Settle(t.Context(), begin(t, store, index.IntentPush, record), found(t, store, 61)))
	})
	enters("a push to another subject", subjectsOf("subject", "another"), func() {
		push(t, store, signature("sig", name("another")))
	})
	enters("settling a delete", subjectsOf("another"), func() {
		must(t, store.Settle(t.Context(), begin(t, store, index.IntentDelete, record), missing(t, store, 61)))
	})
	enters("a push without a subject", nil, func() { push(t, store, plain) })
	enters("its delete", nil, func() { remove(t, store, plain) })
	enters("a refused push", nil, func() {
		must(t, store.Cancel(t.Context(), begin(t, store, index.IntentPush, record)))
	})
}

func outboxTwice(t *testing.T, store index.Maintainer) {
	push(t, store, signature("1", name("a")))
	push(t, store, signature("2", name("b")))
	must(t, store.SetOutbox(t.Context(), true))
	all := changes(t, store)
	must(t, store.Written(t.Context(), all[0]))
	must(t, store.SetOutbox(t.Context(), true))
	equal(t, "entries", changes(t, store), all[1:])
	must(t, store.SetOutbox(t.Context(), false))
	must(t, store.SetOutbox(t.Context(), false))
	equal(t, "entries", changes(t, store), nil)
}

func outboxCleared(t *testing.T, store index.Maintainer) {
	last := uint64(0)
	for round := range 3 {
		must(t, store.SetOutbox(t.Context(), true))
		push(t, store, signature(fmt.Sprint(round), name("subject")))
		all := changes(t, store)
		if all[0].Number <= last {
			t.Fatalf("number %d comes after %d", all[0].Number, last)
		}
		last = all[len(all)-1].Number
		must(t, store.SetOutbox(t.Context(), false))
		equal(t, "entries", changes(t, store), nil)
		push(t, store, signature(fmt.Sprint("unseen ", round), name("another")))
		equal(t, "entries", changes(t, store), nil)
	}
	must(t, store.SetOutbox(t.Context(), true))
	equal(t, "entered", entered(t, store), subjectsOf("subject", "another"))
}

func outboxOrder(t *testing.T, store index.Maintainer) {
	mirrored(t, store)
	for _, subject := range []string{"a", "b", "c", "d", "b", "a", "e"} {
		record := signature(fmt.Sprint("sig of ", subject, len(changes(t, store))), name(subject))
		push(t, store, record)
		all := changes(t, store)
		equal(t, "last", all[len(all)-1].Subject, name(subject))
	}
	all := changes(t, store)
	var subjects []string
	for _, change := range all {
		for _, subject := range []string{"a", "b", "c", "d", "e"} {
			if change.Subject == name(subject) {
				subjects = append(subjects, subject)
			}
		}
	}
	equal(t, "order", subjects, []string{"c", "d", "b", "a", "e"})
	for limit := 1; limit <= len(all)+1; limit++ {
		var walked []index.Change
		for after := uint64(0); ; after = walked[len(walked)-1].Number {
			page, err := store.Changed(t.Context(), after, limit)
			must(t, err)
			if len(page) > limit {
				t.Fatalf("%d entries, limit %d", len(page), limit)
			}
			if len(page) == 0 {
				break
			}
			walked = append(walked, page...)
		}
		equal(t, fmt.Sprintf("walk by %d", limit), walked, all)
	}
}

func outboxWritten(t *testing.T, store index.Maintainer) {
	mirrored(t, store)
	push(t, store, signature("1", name("a")))
	push(t, store, signature("2", name("b")))
	before := changes(t, store)
	push(t, store, signature("3", name("a")))
	must(t, store.Written(t.Context(), before[0]))
	equal(t, "entered", entered(t, store), subjectsOf("a", "b"))
	must(t, store.Written(t.Context(), before[1]))
	must(t, store.Written(t.Context(), before[1]))
	equal(t, "entered", entered(t, store), subjectsOf("a"))
	last := changes(t, store)[0]
	wrong := last
	wrong.Repository = sibling
	must(t, store.Written(t.Context(), wrong))
	wrong = last
	wrong.Number++
	must(t, store.Written(t.Context(), wrong))
	equal(t, "entries", changes(t, store), []index.Change{last})
	must(t, store.Written(t.Context(), last))
	push(t, store, signature("4", name("a")))
	if again := changes(t, store); len(again) != 1 || again[0].Number <= last.Number {
		t.Fatalf("entries %v after %v", again, last)
	}
}

func outboxSwap(t *testing.T, store index.Maintainer) {
	same, lost, left := signature("same", name("same")), signature("lost", name("shorter")), signature("left", name("shorter"))
	fresh, retyped, last := signature("fresh", name("longer")), signature("retyped", name("retyped")), signature("last", name("empty"))
	unfilled := signature("later", name("meanwhile"))
	for _, record := range []index.Record{same, lost, left, retyped, last} {
		push(t, store, record)
	}
	mirrored(t, store)
	rebuilding(t, store)
	again := retyped
	again.ArtifactType = "application/vnd.example.sbom"
	later := same
	later.Seen = after(10)
	fill(t, store, later, left, fresh, again)
	push(t, store, unfilled)
	written(t, store)
	finished(t, store)
	equal(t, "entered", entered(t, store), subjectsOf("shorter", "longer", "retyped", "empty"))
	written(t, store)
	// From then on it follows the new generation.
	push(t, store, signature("another", name("same")))
	equal(t, "entered", entered(t, store), subjectsOf("same"))
}

func outboxRebuild(t *testing.T, store index.Maintainer) {
	live := signature("live", name("subject"))
	push(t, store, live)
	mirrored(t, store)
	rebuilding(t, store)
	fill(t, store, signature("fresh", name("another")))
	equal(t, "entered by filling", entered(t, store), nil)
	// What is in the making alone changes no listing.
	remove(t, store, signature("fresh", name("another")))
	equal(t, "entered by a delete in the making", entered(t, store), nil)
	must(t, store.AbandonRebuild(t.Context()))
	equal(t, "entered by abandoning", entered(t, store), nil)
	rebuilding(t, store)
	fill(t, store, live)
	finished(t, store)
	equal(t, "entered by a swap that changes nothing", entered(t, store), nil)
}
