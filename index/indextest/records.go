package indextest

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func recordStories() []story {
	return []story{
		{"what nobody pushed is not found", unknownRecord},
		{"a record is read back whole", wholeRecord},
		{"a record may be empty", emptyRecord},
		{"one digest in two repositories is two records", twoRepositories},
		{"a push of a known manifest keeps when it was seen first", pushedAgain},
		{"what was seen is recorded", observed},
		{"what is recorded already is not touched by what was seen", observedAgain},
		{"a delete takes the record and all that came of it", deletedRecord},
	}
}

func unknownRecord(t *testing.T, store index.Store) {
	push(t, store, signature("sig", name("subject")))
	for _, at := range []struct {
		repository string
		manifest   digest.Digest
	}{
		{repo, name("other")},
		{sibling, name("sig")},
		{"library", name("sig")},
		{repo, digest.SHA512.FromString("sig")},
	} {
		_, err := store.Get(t.Context(), at.repository, at.manifest)
		mustBe(t, err, index.ErrNotFound)
	}
}

func wholeRecord(t *testing.T, store index.Store) {
	record := index.Record{
		Repository: repo,
		Manifest: index.Manifest{
			Digest:       digest.SHA512.FromString("whole"),
			MediaType:    "application/vnd.example.thing+json; no, not a parameter",
			Size:         1 << 40,
			ArtifactType: "Überraschung\x00\"",
			Annotations:  map[string]string{"": "", "a": "line\nbreak", "b\x00": "<&>\u2028"},
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: digest.SHA384.FromString("subject")},
				{Kind: index.EdgeConfig, Target: name("one")},
				{Kind: index.EdgeLayer, Target: name("one")},
				{Kind: index.EdgeManifest, Target: digest.SHA512.FromString("two")},
				{Kind: index.EdgeBlob, Target: name("two")},
			},
		},
		Seen: time.Date(1969, time.July, 20, 20, 17, 40, 123456789, time.UTC),
	}
	push(t, store, record)
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
}

func emptyRecord(t *testing.T, store index.Store) {
	record := index.Record{Repository: repo, Manifest: index.Manifest{Digest: name("empty")}}
	push(t, store, record)
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
}

func twoRepositories(t *testing.T, store index.Store) {
	here := signature("sig", name("subject"))
	there := here
	there.Repository = sibling
	there.Seen = after(5)
	push(t, store, here)
	push(t, store, there)

	got, err := store.Get(t.Context(), sibling, there.Digest)
	must(t, err)
	equal(t, "record of the sibling", got, there)

	remove(t, store, here)
	equal(t, "listing here", listed(t, store, repo, name("subject")), nil)
	equal(t, "listing there", listed(t, store, sibling, name("subject")), sorted(there))
}

func pushedAgain(t *testing.T, store index.Store) {
	first := signature("sig", name("subject"))
	push(t, store, first)

	later := first
	later.MediaType = "application/vnd.oci.artifact.manifest.v1+json"
	later.Seen = after(10)
	push(t, store, later)
	got, err := store.Get(t.Context(), repo, first.Digest)
	must(t, err)
	later.Seen = first.Seen
	equal(t, "record pushed later", got, later)

	earlier := first
	earlier.Seen = after(-10)
	push(t, store, earlier)
	got, err = store.Get(t.Context(), repo, first.Digest)
	must(t, err)
	equal(t, "record seen earlier", got, earlier)
}

func observed(t *testing.T, store index.Store) {
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	must(t, store.Observe(t.Context(), mark(t, store), one, two))
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(one, two))
	must(t, store.Observe(t.Context(), mark(t, store)))
}

func observedAgain(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	again := record
	again.MediaType, again.Seen = "application/json", after(-10)
	must(t, store.Observe(t.Context(), mark(t, store), again, signature("other", name("subject"))))
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
}

func deletedRecord(t *testing.T, store index.Store) {
	record, other := signature("sig", name("subject")), signature("other", name("subject"))
	push(t, store, record)
	push(t, store, other)
	remove(t, store, record)

	_, err := store.Get(t.Context(), repo, record.Digest)
	mustBe(t, err, index.ErrNotFound)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(other))
	for _, edge := range record.Edges {
		parents, err := store.Parents(t.Context(), repo, edge.Target, index.Parent{}, 0)
		must(t, err)
		for _, parent := range parents {
			if parent.Digest == record.Digest {
				t.Fatalf("is still a parent: %v", parent)
			}
		}
	}
	push(t, store, record)
	equal(t, "listing after another push", listed(t, store, repo, name("subject")), sorted(record, other))
}
