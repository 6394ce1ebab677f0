package indextest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// fewOfMany checks listings of types which few of many referrers have, so that a store
// that finds them without looking at the others shows the same as one that looks at
// all: in every order, page by page, also of what has gone and of what says something
// else now.
func fewOfMany(t *testing.T, store index.Store) {
	model := NewModel()
	records := manyTypes()
	for _, each := range []index.Store{store, model} {
		must(t, each.Observe(t.Context(), mark(t, each), records...))
		for i := 50; i < len(records); i += 50 {
			remove(t, each, records[i])
		}
		again := records[7]
		again.ArtifactType = rareType
		push(t, each, again)
	}
	long := strings.Repeat("l", 260)
	for _, types := range [][]string{
		{rareType}, {rareType, rareType}, {rareType, "application/vnd.example.odd"}, {"*.rare"}, {"*.type-1*", rareType}, {"*"},
		{long + "1"}, {long + "1", long + "2"}, {long + "*"}, {"l*1"}, {"none"}, {"*none"}, {"application/vnd.example.many"},
	} {
		for _, order := range orders() {
			for _, limit := range []int{0, 3} {
				query := index.Query{ArtifactTypes: types, Order: order, Limit: limit}
				equal(t, fmt.Sprint(types, order, limit), walkPages(t, store, query), walkPages(t, model, query))
			}
		}
	}
	query := index.Query{ArtifactTypes: []string{rareType}, Annotations: annotated(t, "org.example.what=rare 100")}
	equal(t, "with an annotation", walkPages(t, store, query), walkPages(t, model, query))
}

const rareType = "application/vnd.example.rare"

// manyTypes are referrers of one subject of which most have one type, and the others
// types of every length that a key may have.
func manyTypes() []index.Record {
	const count = 600
	records := make([]index.Record, count)
	algorithms := []digest.Algorithm{digest.SHA256, digest.SHA512}
	for i := range records {
		r := signature(fmt.Sprint("rare ", i), name("subject"))
		r.Digest, r.Seen = algorithms[i%2].FromString(fmt.Sprint(i)), after(i%17)
		switch {
		case i%100 == 0:
			r.ArtifactType = rareType
		case i%151 == 0:
			r.ArtifactType = strings.Repeat("l", 260) + fmt.Sprint(i/151%2+1)
		case i%140 == 1:
			r.ArtifactType = "application/vnd.example.odd"
		case i%45 == 2:
			r.ArtifactType = fmt.Sprintf("application/vnd.example.type-%d", i)
		case i%97 == 3:
			r.ArtifactType = ""
		default:
			r.ArtifactType = "application/vnd.example.many"
		}
		records[i] = r
	}
	return records
}

func annotated(t *testing.T, filter string) []index.AnnotationFilter {
	t.Helper()
	parsed, err := index.ParseAnnotationFilter(filter)
	must(t, err)
	return []index.AnnotationFilter{parsed}
}

// manyKinds checks that a subject with more types than a store keeps apart is listed
// whole.
func manyKinds(t *testing.T, store index.Store) {
	model := NewModel()
	var records []index.Record
	for i := range 300 {
		r := signature(fmt.Sprint("kind ", i), name("subject"))
		r.ArtifactType = fmt.Sprintf("application/vnd.example.kind-%d", i)
		records = append(records, r)
	}
	for _, each := range []index.Store{store, model} {
		must(t, each.Observe(t.Context(), mark(t, each), records...))
	}
	for _, order := range orders() {
		query := index.Query{ArtifactTypes: []string{"*kind-2?"}, Order: order, Limit: 2}
		equal(t, order.String(), walkPages(t, store, query), walkPages(t, model, query))
	}
}
