package indextest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// manySubjects looks the subjects of many manifests up at once, as a list of
// hidden tags has them: in the order of their digests, and in others, with
// manifests between them that have no subject or are not there.
func manySubjects(t *testing.T, store index.Store) {
	subjects := map[digest.Digest]digest.Digest{}
	var asked []digest.Digest
	var records []index.Record
	for i := range 300 {
		record := signature(fmt.Sprint("many ", i), name(fmt.Sprint("subject ", i%50)))
		asked = append(asked, record.Digest, name(fmt.Sprint("unknown ", i)))
		if i%7 == 0 {
			continue
		}
		if i%5 == 0 {
			record.Edges = nil
		}
		subjects[record.Digest] = record.Subject()
		records = append(records, record)
	}
	mark, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), mark, records...))
	inOrder := slices.Sorted(slices.Values(asked))
	backwards := slices.Clone(inOrder)
	slices.Reverse(backwards)
	for what, manifests := range map[string][]digest.Digest{
		"as they come": asked, "in order": inOrder, "backwards": backwards, "twice each": twice(inOrder), "few": {inOrder[1], inOrder[400]},
	} {
		got, err := store.Subjects(t.Context(), repo, manifests)
		must(t, err)
		want := make([]digest.Digest, len(manifests))
		for i, manifest := range manifests {
			want[i] = subjects[manifest]
		}
		equal(t, "subjects "+what, got, want)
	}
}

func twice(manifests []digest.Digest) []digest.Digest {
	var all []digest.Digest
	for _, each := range manifests {
		all = append(all, each, each)
	}
	return all
}
