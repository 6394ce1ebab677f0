package indextest

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// aliasStories are what is kept in a journal for the way to the registry.
func aliasStories() []story {
	return []story{
		upkeep("aliases are found by repository and digest", aliasesFound),
		upkeep("secrets are made once", secretsOnce),
		upkeep("keys of sessions take turns", sessionKeys),
	}
}

func aliasesFound(t *testing.T, store index.Maintainer) {
	aliases := index.Aliases{Journal: store}
	want := func(repository string, named, kept digest.Digest) {
		t.Helper()
		got, err := aliases.Alias(t.Context(), repository, named)
		must(t, err)
		equal(t, "alias", got, kept)
	}
	one := digest.SHA512.FromString("one")
	// All others that differ in the last character alone, and in the repository.
	want(repo, one, "")
	for _, last := range "0123456789abcdef" {
		near := one[:len(one)-1] + digest.Digest(last)
		must(t, aliases.SetAlias(t.Context(), repo, near, digest.FromString(string(near))))
	}
	must(t, aliases.SetAlias(t.Context(), repo+"/below", one, digest.FromString("below")))
	for _, last := range "0123456789abcdef" {
		near := one[:len(one)-1] + digest.Digest(last)
		want(repo, near, digest.FromString(string(near)))
	}
	want(repo+"/below", one, digest.FromString("below"))
	want("other", one, "")
	want(repo, digest.SHA384.FromString("one"), "")
	must(t, aliases.SetAlias(t.Context(), repo, one, digest.FromString("other")))
	want(repo, one, digest.FromString("other"))

	must(t, store.WriteJournal(t.Context(), index.BookAliases, index.JournalEntry{Key: "damaged\n" + one.String(), Value: []byte("sha256:abc")}))
	_, err := aliases.Alias(t.Context(), "damaged", one)
	mustBe(t, err, index.ErrDamaged)
}

func secretsOnce(t *testing.T, store index.Maintainer) {
	first, err := index.Secrets{Journal: store}.Secrets(t.Context())
	must(t, err)
	equal(t, "secrets", len(first), 1)
	equal(t, "bytes", len(first[0]), 32)
	again, err := index.Secrets{Journal: store}.Secrets(t.Context())
	must(t, err)
	equal(t, "secrets", again, first)
}

// sessionKeys are made when there are none, replaced when they are old, and dropped when
// nothing counts any more that was sealed by them.
func sessionKeys(t *testing.T, store index.Maintainer) {
	keys := index.SessionKeys{Journal: store, Every: time.Hour, Keep: 3 * time.Hour}
	at := time.Unix(1_800_000_000, 0)
	read := func(after time.Duration) [][]byte {
		t.Helper()
		found, err := keys.Keys(t.Context(), at.Add(after))
		must(t, err)
		return found
	}
	first := read(0)
	equal(t, "keys", len(first), 1)
	equal(t, "bytes", len(first[0]), 32)
	equal(t, "keys before it is old", read(59*time.Minute), first)
	second := read(2 * time.Hour)
	equal(t, "keys after that", len(second), 2)
	equal(t, "the first of them", second[0], first[0])
	third := read(4 * time.Hour)
	equal(t, "keys when the first is gone", len(third), 2)
	equal(t, "the first of them", third[0], second[1])
}
