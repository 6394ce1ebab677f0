package indextest

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

func queryStories() []story {
	return []story{
		{"what was pushed last is first by time, latest first", latestFirst},
		{"a manifest that is pushed again keeps its place", keepsItsPlace},
		{"a record that is gone is in no order", goneFromOrders},
		{"filters leave out the same in every order", filteredInOrder},
		{"the manifests of a repository are listed whatever they refer to", allManifests},
		{"a type that few of many have is listed whole", fewOfMany},
		{"some of many types are listed whole", manyKinds},
	}
}

// queries tests what a store makes of a query.
func queries(t *testing.T, open func(t *testing.T) index.Store) {
	run(t, open, queryStories())
	t.Run("what a query selects", func(t *testing.T) { selected(t, open) })
	t.Run("pages while others push and delete", func(t *testing.T) { pagedMeanwhile(t, open) })
}

func orders() []index.Order {
	var orders []index.Order
	for _, by := range []index.SortKey{index.SortDigest, index.SortCreated, index.SortArtifactType, index.SortVersion} {
		orders = append(orders, index.Order{By: by}, index.Order{By: by, Descending: true})
	}
	return orders
}

// build is a referrer that says when it was made, and what version it is.
func build(i int, created, version string) index.Record {
	record := signature(fmt.Sprint("build ", i), name("subject"))
	record.Seen = after(i)
	record.ArtifactType = fmt.Sprintf("application/vnd.example.%d", i%3)
	if created != "" {
		record.Annotations[index.AnnotationCreated] = created
	}
	if version != "" {
		record.Annotations[index.AnnotationVersion] = version
	}
	return record
}

func latestFirst(t *testing.T, store index.Store) {
	first, second := build(1, "", ""), build(2, "", "")
	old := build(3, "2001-01-01T00:00:00Z", "")
	older := build(4, "1969-01-01T00:00:00+01:00", "")
	unreadable := build(5, "last summer", "")
	for _, record := range []index.Record{second, unreadable, old, first, older} {
		push(t, store, record)
	}
	query := index.Query{Order: index.Order{By: index.SortCreated, Descending: true}, Limit: 1}
	page, err := store.Referrers(t.Context(), repo, name("subject"), query)
	must(t, err)
	equal(t, "latest", page.Referrers[0].Digest, unreadable.Digest)
	equal(t, "more", page.More, true)
	want := []digest.Digest{unreadable.Digest, second.Digest, first.Digest, old.Digest, older.Digest}
	equal(t, "by time, latest first", walk(t, store, query), want)
	query.Order.Descending = false
	slices.Reverse(want)
	equal(t, "by time", walk(t, store, query), want)
}

func keepsItsPlace(t *testing.T, store index.Store) {
	first, second := build(1, "", ""), build(2, "", "")
	push(t, store, first)
	push(t, store, second)
	again := first
	again.Seen = after(9)
	push(t, store, again)
	query := index.Query{Order: index.Order{By: index.SortCreated}}
	equal(t, "by time", walk(t, store, query), []digest.Digest{first.Digest, second.Digest})
	earlier := second
	earlier.Seen = noon
	push(t, store, earlier)
	equal(t, "by time, after one was seen earlier", walk(t, store, query), []digest.Digest{second.Digest, first.Digest})
}

func goneFromOrders(t *testing.T, store index.Store) {
	stays, goes := build(1, "2026-01-01T00:00:00Z", "1.0.0"), build(2, "2026-01-02T00:00:00Z", "2.0.0")
	push(t, store, stays)
	push(t, store, goes)
	remove(t, store, goes)
	for _, order := range orders() {
		equal(t, order.String(), walk(t, store, index.Query{Order: order}), []digest.Digest{stays.Digest})
	}
}

func filteredInOrder(t *testing.T, store index.Store) {
	var want []index.Record
	for i := range 30 {
		record := build(i, "", fmt.Sprintf("1.%d.0", i))
		push(t, store, record)
		if i%3 == 1 && i > 9 {
			want = append(want, record)
		}
	}
	for _, order := range orders() {
		query, err := index.ParseQuery(url.Values{
			"artifactType": {"*.1"}, "annotation": {index.AnnotationVersion + ">1.9.0"}, "n": {"2"}, "sort": {order.String()},
		})
		must(t, err)
		got := walk(t, store, query)
		slices.Sort(got)
		equal(t, order.String(), got, sorted(want...))
	}
}

func allManifests(t *testing.T, store index.Store) {
	image := signature("image", name("subject"))
	image.Edges = image.Edges[1:]
	elsewhere := signature("elsewhere", name("subject"))
	elsewhere.Repository = sibling
	records := append(crowdOf(t, store, 5), image)
	must(t, store.Observe(t.Context(), mark(t, store), image, elsewhere))
	for _, order := range orders() {
		got := walkManifests(t, store, index.Query{Order: order, Limit: 2})
		slices.Sort(got)
		equal(t, order.String(), got, sorted(records...))
	}
	got, more, err := store.Manifests(t.Context(), repo, index.Query{})
	must(t, err)
	equal(t, "more", more, false)
	i := slices.IndexFunc(got, func(r index.Record) bool { return r.Digest == image.Digest })
	equal(t, "record", got[i], image)
	got, _, err = store.Manifests(t.Context(), "unknown", index.Query{})
	must(t, err)
	equal(t, "of an unknown repository", got, nil)
}

// walkManifests follows the list of a repository's manifests.
func walkManifests(t tester, store index.Store, query index.Query) []digest.Digest {
	t.Helper()
	var digests []digest.Digest
	for {
		records, more, err := store.Manifests(t.Context(), repo, query)
		must(t, err)
		for _, record := range records {
			digests = append(digests, record.Digest)
			query.After = query.Order.Cursor(record.Descriptor(), record.Seen)
		}
		if !more {
			return digests
		}
		if len(records) == 0 {
			t.Fatal("an empty page goes on")
		}
	}
}

// drawBuild returns a referrer of which many are equal in one order or another.
func drawBuild(rt *rapid.T, i int) index.Record {
	return build(i,
		rapid.SampledFrom([]string{"", "soon", "2100-01-01T12:00:05Z", "2100-01-01T14:00:09+02:00", "1950-01-01T00:00:00Z"}).Draw(rt, "created"),
		rapid.SampledFrom([]string{"", "none", "1.9.0", "v1.10", "1.10.0-rc.1", "1.10.0-rc.10", "1.10.0+b"}).Draw(rt, "version"))
}

func drawQuery(rt *rapid.T) index.Query {
	values := url.Values{
		"artifactType": rapid.SampledFrom([][]string{nil, {"*.1"}, {"application/vnd.example.0", "*2"}, {"none"}}).Draw(rt, "types"),
		"annotation": rapid.SampledFrom([][]string{
			nil, {index.AnnotationVersion}, {index.AnnotationVersion + "=1.9.0"}, {index.AnnotationVersion + "!=1.9.0"},
			{index.AnnotationVersion + "<1.10.0"}, {index.AnnotationCreated + ">2100-01-01T12:00:00Z", "org.example.url"},
			{"org.example.url=https://example.org/?a=1&b=<2>"},
		}).Draw(rt, "annotations"),
	}
	query, err := index.ParseQuery(values)
	must(rt, err)
	query.Order = rapid.SampledFrom(orders()).Draw(rt, "order")
	query.Limit = rapid.IntRange(0, 9).Draw(rt, "limit")
	query.MaxBytes = rapid.SampledFrom([]int{0, 1, 700, 2000}).Draw(rt, "bytes")
	return query
}

// selected checks what a query selects, page by page, against the model.
func selected(t *testing.T, open func(t *testing.T) index.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		store, model := open(t), NewModel()
		defer func() { must(rt, store.Close()) }()
		var records []index.Record
		for i := range rapid.IntRange(0, 12).Draw(rt, "entries") {
			records = append(records, drawBuild(rt, i))
		}
		must(rt, store.Observe(rt.Context(), mark(rt, store), records...))
		must(rt, model.Observe(rt.Context(), mark(rt, model), records...))
		for range 5 {
			query := drawQuery(rt)
			equal(rt, "walk", walkPages(rt, store, query), walkPages(rt, model, query))
			query.MaxBytes = 0
			equal(rt, "manifests", walkManifests(rt, store, query), walkManifests(rt, model, query))
		}
	})
}

// walkPages follows a listing and returns its pages as they are.
func walkPages(t tester, store index.Store, query index.Query) []index.Page {
	t.Helper()
	var pages []index.Page
	for {
		page, err := store.Referrers(t.Context(), repo, name("subject"), query)
		must(t, err)
		checkPage(t, page, query)
		if len(page.Referrers) == 0 {
			page.Referrers = nil
		}
		pages = append(pages, page)
		if !page.More {
			return pages
		}
		query.After = page.Referrers[len(page.Referrers)-1].Cursor()
	}
}

// pagedMeanwhile checks that pages, between which entries come and go, show
// each that is there throughout exactly once, and in order.
func pagedMeanwhile(t *testing.T, open func(t *testing.T) index.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		store := open(t)
		defer func() { must(rt, store.Close()) }()
		next := 0
		fresh := func() index.Record {
			next++
			return drawBuild(rt, next)
		}
		stay, passing := make(map[digest.Digest]int), []index.Record{}
		for range rapid.IntRange(1, 10).Draw(rt, "staying") {
			record := fresh()
			push(rt, store, record)
			stay[record.Digest] = 0
		}
		query := index.Query{
			Order: rapid.SampledFrom(orders()).Draw(rt, "order"),
			Limit: rapid.IntRange(1, 4).Draw(rt, "limit"),
		}
		for more := true; more; {
			for range rapid.IntRange(0, 2).Draw(rt, "changes") {
				if n := len(passing); n > 0 && rapid.Bool().Draw(rt, "delete") {
					i := rapid.IntRange(0, n-1).Draw(rt, "which")
					remove(rt, store, passing[i])
					passing = slices.Delete(passing, i, i+1)
				} else if next < 40 {
					passing = append(passing, fresh())
					push(rt, store, passing[len(passing)-1])
				}
			}
			page, err := store.Referrers(rt.Context(), repo, name("subject"), query)
			must(rt, err)
			for _, entry := range page.Referrers {
				if !query.Behind(entry.Cursor()) {
					rt.Fatalf("%s is shown out of order", entry.Digest)
				}
				query.After = entry.Cursor()
				if _, stays := stay[entry.Digest]; stays {
					stay[entry.Digest]++
				}
			}
			more = page.More
		}
		for d, times := range stay {
			equal(rt, fmt.Sprintf("times that %s is shown by %s", d, query.Order), times, 1)
		}
	})
}
