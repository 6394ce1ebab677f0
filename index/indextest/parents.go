package indextest

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func parentStories() []story {
	return []story{
		{"an unknown repository or digest has none", noParents},
		{"every kind of edge has one", everyKind},
		{"they come in the order of their digests and kinds", parentOrder},
		{"a page ends at its limit and begins behind another", parentPages},
		{"those of a record pushed again follow its edges", parentsFollow},
	}
}

func parentsOf(t *testing.T, store index.Store, target digest.Digest) []index.Parent {
	t.Helper()
	parents, err := store.Parents(t.Context(), repo, target, index.Parent{}, 0)
	must(t, err)
	return parents
}

func noParents(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	parents, err := store.Parents(t.Context(), sibling, name("subject"), index.Parent{}, 0)
	must(t, err)
	equal(t, "sibling", parents, nil)
	equal(t, "unknown", parentsOf(t, store, name("unknown")), nil)
	equal(t, "the manifest itself", parentsOf(t, store, record.Digest), nil)
}

func everyKind(t *testing.T, store index.Store) {
	kinds := []index.EdgeKind{index.EdgeSubject, index.EdgeConfig, index.EdgeLayer, index.EdgeManifest, index.EdgeBlob}
	record := index.Record{Repository: repo, Manifest: index.Manifest{Digest: name("all")}}
	for _, kind := range kinds {
		record.Edges = append(record.Edges, index.Edge{Kind: kind, Target: name(kind.String())})
	}
	push(t, store, record)
	for _, kind := range kinds {
		equal(t, kind.String(), parentsOf(t, store, name(kind.String())), []index.Parent{{Digest: record.Digest, Kind: kind}})
	}
}

// family pushes manifests that name a target in several ways and returns the
// parents in their order.
func family(t *testing.T, store index.Store, target digest.Digest) []index.Parent {
	t.Helper()
	var parents []index.Parent
	var records []index.Record
	for _, what := range []string{"a", "b", "c", "d"} {
		records = append(records, index.Record{Repository: repo, Manifest: index.Manifest{
			Digest: name(what),
			Edges: []index.Edge{
				{Kind: index.EdgeManifest, Target: target},
				{Kind: index.EdgeConfig, Target: target},
				{Kind: index.EdgeLayer, Target: name("other")},
			},
		}})
	}
	must(t, store.Observe(t.Context(), mark(t, store), records...))
	for _, d := range sorted(records...) {
		parents = append(parents, index.Parent{Digest: d, Kind: index.EdgeConfig}, index.Parent{Digest: d, Kind: index.EdgeManifest})
	}
	return parents
}

func parentOrder(t *testing.T, store index.Store) {
	want := family(t, store, name("target"))
	equal(t, "parents", parentsOf(t, store, name("target")), want)
}

func parentPages(t *testing.T, store index.Store) {
	want := family(t, store, name("target"))
	for limit := 1; limit <= len(want)+1; limit++ {
		equal(t, "walk", walkParents(t, store, name("target"), limit), want)
	}
	for i, parent := range want {
		rest, err := store.Parents(t.Context(), repo, name("target"), parent, 0)
		must(t, err)
		equal(t, "behind a parent", rest, want[i+1:])
	}
	rest, err := store.Parents(t.Context(), repo, name("target"), index.Parent{Digest: want[2].Digest, Kind: index.EdgeLayer}, 1)
	must(t, err)
	equal(t, "behind one that is not there", rest, want[3:4])
}

// walkParents follows a listing of parents from page to page.
func walkParents(t tester, store index.Store, target digest.Digest, limit int) []index.Parent {
	t.Helper()
	var all []index.Parent
	var last index.Parent
	for {
		page, err := store.Parents(t.Context(), repo, target, last, limit)
		must(t, err)
		if len(page) > limit {
			t.Fatalf("%d parents, limit %d", len(page), limit)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		last = page[len(page)-1]
	}
}

func parentsFollow(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	record.Edges = []index.Edge{{Kind: index.EdgeSubject, Target: name("another")}, {Kind: index.EdgeLayer, Target: name("{}")}}
	push(t, store, record)
	equal(t, "former subject", parentsOf(t, store, name("subject")), nil)
	equal(t, "former listing", listed(t, store, repo, name("subject")), nil)
	equal(t, "listing", listed(t, store, repo, name("another")), sorted(record))
	equal(t, "former config", parentsOf(t, store, name("{}")), []index.Parent{{Digest: record.Digest, Kind: index.EdgeLayer}})
}
