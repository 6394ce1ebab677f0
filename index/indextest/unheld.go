package indextest

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func unheldStories() []story {
	return []story{
		{"subjects come in the order that was asked for", subjectsInOrder},
		{"subjects of many manifests", manySubjects},
		{"referrers that are held by no hidden tag are counted", countUnheld},
		{"a note goes with its record", unheldGone},
	}
}

func subjectsInOrder(t *testing.T, store index.Store) {
	one, two := signature("one", name("subject")), signature("two", name("other"))
	push(t, store, one)
	push(t, store, two)
	got, err := store.Subjects(t.Context(), repo, []digest.Digest{two.Digest, name("unknown"), one.Digest, two.Digest})
	must(t, err)
	equal(t, "subjects", got, []digest.Digest{name("other"), "", name("subject"), name("other")})
	got, err = store.Subjects(t.Context(), sibling, []digest.Digest{one.Digest})
	must(t, err)
	equal(t, "subjects in another repository", got, []digest.Digest{""})
	got, err = store.Subjects(t.Context(), repo, nil)
	must(t, err)
	equal(t, "none", len(got), 0)
}

func unheld(t *testing.T, store index.Store) int64 {
	t.Helper()
	keeper, is := store.(index.Maintainer)
	if !is {
		t.Skip("the store counts nothing")
	}
	stats, err := keeper.Stats(t.Context())
	must(t, err)
	return stats.Unheld
}

func countUnheld(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	must(t, store.SetUnheld(t.Context(), repo, record.Digest, true))
	equal(t, "before it is recorded", unheld(t, store), 0)
	push(t, store, record)
	equal(t, "when it is", unheld(t, store), 1)
	must(t, store.SetUnheld(t.Context(), repo, record.Digest, true))
	equal(t, "noted twice", unheld(t, store), 1)
	must(t, store.SetUnheld(t.Context(), sibling, record.Digest, false))
	equal(t, "taken back elsewhere", unheld(t, store), 1)
	must(t, store.SetUnheld(t.Context(), repo, record.Digest, false))
	equal(t, "taken back", unheld(t, store), 0)
}

func unheldGone(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	must(t, store.SetUnheld(t.Context(), repo, record.Digest, true))
	remove(t, store, record)
	equal(t, "when it is deleted", unheld(t, store), 0)
	push(t, store, record)
	equal(t, "when it is pushed again", unheld(t, store), 0)
}
