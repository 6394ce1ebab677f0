package indextest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func referrerStories() []story {
	return []story{
		{"an unknown repository or subject has none", noReferrers},
		{"they come in the order of their digests", referrerOrder},
		{"a descriptor is ready to be sent", readyDescriptor},
		{"the artifact type filters", artifactTypeFilter},
		{"a page ends at its limit", pageLimit},
		{"a page ends at its size", pageSize},
		{"a page begins behind a digest that need not be there", pageAfter},
		{"what is pushed meanwhile does not disturb the pages", pageMeanwhile},
		{"a page is the caller's own", ownPage},
	}
}

func noReferrers(t *testing.T, store index.Store) {
	subject := name("subject")
	record := signature("sig", subject)
	push(t, store, record)
	equal(t, "unknown repository", listed(t, store, "unknown", subject), nil)
	equal(t, "sibling", listed(t, store, sibling, subject), nil)
	equal(t, "shorter name", listed(t, store, "library/ap", subject), nil)
	equal(t, "unknown subject", listed(t, store, repo, name("unknown")), nil)
	equal(t, "the config is no subject", listed(t, store, repo, name("{}")), nil)
	equal(t, "the referrer itself", listed(t, store, repo, record.Digest), nil)
}

// crowdOf pushes referrers of a subject, with digests of every algorithm.
func crowdOf(t *testing.T, store index.Store, n int) []index.Record {
	t.Helper()
	algorithms := []digest.Algorithm{digest.SHA256, digest.SHA512, digest.SHA384}
	records := make([]index.Record, n)
	for i := range records {
		records[i] = signature(fmt.Sprintf("sig %d %s", i, strings.Repeat("x", i)), name("subject"))
		records[i].Digest = algorithms[i%len(algorithms)].FromString(fmt.Sprint(i))
		if i%2 == 1 {
			records[i].ArtifactType = "application/vnd.example.sbom"
		}
	}
	must(t, store.Observe(t.Context(), mark(t, store), records...))
	return records
}

func referrerOrder(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 20)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(records...))
}

func readyDescriptor(t *testing.T, store index.Store) {
	plain := index.Record{Repository: repo, Manifest: index.Manifest{
		Digest: name("plain"), MediaType: oci.MediaTypeImageIndex, Size: 7,
		Edges: []index.Edge{{Kind: index.EdgeSubject, Target: name("plain subject")}},
	}}
	push(t, store, plain)
	page, err := store.Referrers(t.Context(), repo, name("plain subject"), index.Query{})
	must(t, err)
	equal(t, "plain entry", string(page.Referrers[0].Descriptor),
		`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"`+plain.Digest.String()+`","size":7}`)

	record := signature("sig", name("subject"))
	push(t, store, record)
	page, err = store.Referrers(t.Context(), repo, name("subject"), index.Query{})
	must(t, err)
	entry := page.Referrers[0]
	equal(t, "artifact type", entry.ArtifactType, record.ArtifactType)
	var descriptor oci.Descriptor
	must(t, json.Unmarshal(entry.Descriptor, &descriptor))
	equal(t, "descriptor", descriptor, record.Descriptor())
	if url := record.Annotations["org.example.url"]; !strings.Contains(string(entry.Descriptor), url) {
		t.Fatalf("%s does not show %s as it was pushed", entry.Descriptor, url)
	}
}

func artifactTypeFilter(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 9)
	var sboms []index.Record
	for _, record := range records {
		if record.ArtifactType == "application/vnd.example.sbom" {
			sboms = append(sboms, record)
		}
	}
	equal(t, "filtered", walk(t, store, index.Query{ArtifactTypes: []string{"application/vnd.example.sbom"}, Limit: 1}), sorted(sboms...))
	equal(t, "a beginning does not match", walk(t, store, index.Query{ArtifactTypes: []string{"application/vnd.example"}}), nil)

	page, err := store.Referrers(t.Context(), repo, name("subject"),
		index.Query{ArtifactTypes: []string{"application/vnd.example.sbom"}, Limit: len(sboms)})
	must(t, err)
	if page.More {
		t.Fatal("goes on behind the last that matches")
	}
}

// walk follows a listing of the subject from page to page.
func walk(t tester, store index.Store, query index.Query) []digest.Digest {
	t.Helper()
	var digests []digest.Digest
	for {
		page, err := store.Referrers(t.Context(), repo, name("subject"), query)
		must(t, err)
		checkPage(t, page, query)
		for _, referrer := range page.Referrers {
			digests = append(digests, referrer.Digest)
		}
		if !page.More {
			return digests
		}
		query.After = page.Referrers[len(page.Referrers)-1].Cursor()
	}
}

// checkPage checks a page against the limits of its query.
func checkPage(t tester, page index.Page, query index.Query) {
	t.Helper()
	size, n := 0, len(page.Referrers)
	for _, referrer := range page.Referrers {
		size += len(referrer.Descriptor) + 1
	}
	switch {
	case page.More && n == 0:
		t.Fatal("an empty page goes on")
	case query.Limit > 0 && n > query.Limit:
		t.Fatalf("%d entries, limit %d", n, query.Limit)
	case query.MaxBytes > 0 && n > 1 && size > query.MaxBytes:
		t.Fatalf("%d bytes, limit %d", size, query.MaxBytes)
	}
}

func pageLimit(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 6)
	for limit, more := range map[int]bool{0: false, 1: true, 5: true, 6: false, 7: false} {
		page, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{Limit: limit})
		must(t, err)
		checkPage(t, page, index.Query{Limit: limit})
		equal(t, fmt.Sprintf("more after %d", limit), page.More, more)
		equal(t, fmt.Sprintf("walk by %d", limit), walk(t, store, index.Query{Limit: limit}), sorted(records...))
	}
}

func pageSize(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 6)
	whole, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{})
	must(t, err)
	size := 0
	for i, referrer := range whole.Referrers {
		size += len(referrer.Descriptor) + 1
		for _, spare := range []int{-1, 0} {
			page, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{MaxBytes: size + spare})
			must(t, err)
			// The first is shown however large it is.
			equal(t, fmt.Sprintf("entries in %d%+d bytes", size, spare), len(page.Referrers), max(1, i+1+spare))
		}
	}
	equal(t, "walk by 1 byte", walk(t, store, index.Query{MaxBytes: 1}), sorted(records...))
}

func pageAfter(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 12)
	digests := sorted(records...)
	for i, d := range digests {
		equal(t, "behind one of them", walk(t, store, index.Query{After: index.Cursor{Digest: d}}), digests[i+1:])
	}
	remove(t, store, index.Record{Repository: repo, Manifest: index.Manifest{Digest: digests[4]}})
	equal(t, "behind one that is gone", walk(t, store, index.Query{After: index.Cursor{Digest: digests[4]}}), digests[5:])
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA384, digest.SHA512} {
		last := digest.NewDigestFromEncoded(algorithm, strings.Repeat("f", algorithm.Size()*2))
		for _, d := range walk(t, store, index.Query{After: index.Cursor{Digest: last}}) {
			if d < last {
				t.Fatalf("%s is behind %s", d, last)
			}
		}
	}
}

func pageMeanwhile(t *testing.T, store index.Store) {
	digests := sorted(crowdOf(t, store, 8)...)
	page, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{Limit: 4})
	must(t, err)
	remove(t, store, index.Record{Repository: repo, Manifest: index.Manifest{Digest: digests[0]}})
	for i := range 20 {
		push(t, store, signature(fmt.Sprintf("meanwhile %d", i), name("subject")))
	}
	rest := walk(t, store, index.Query{After: page.Referrers[3].Cursor(), Limit: 3})
	seen := make(map[digest.Digest]int)
	for _, d := range rest {
		seen[d]++
	}
	for i, d := range digests {
		want := 0
		if i >= 4 {
			want = 1
		}
		equal(t, fmt.Sprintf("times that entry %d is shown on later pages", i), seen[d], want)
	}
}

func ownPage(t *testing.T, store index.Store) {
	records := crowdOf(t, store, 3)
	page, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{})
	must(t, err)
	second := string(page.Referrers[1].Descriptor)
	first := page.Referrers[0].Descriptor
	first = append(first, "scribble"...)
	equal(t, "entry beside one that was appended to", string(page.Referrers[1].Descriptor), second)
	for i := range first {
		first[i] = 'x'
	}
	for _, record := range records {
		remove(t, store, record)
	}
	equal(t, "entry after its record is gone", string(page.Referrers[1].Descriptor), second)
	for _, record := range records {
		push(t, store, record)
	}
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(records...))
}

// paging walks a listing by pages of every shape; together they are the whole.
func paging(t *testing.T, open func(t *testing.T) index.Store) {
	store := open(t)
	defer func() { must(t, store.Close()) }()
	crowdOf(t, store, 60)
	whole := walk(t, store, index.Query{})
	sboms := walk(t, store, index.Query{ArtifactTypes: []string{"application/vnd.example.sbom"}})
	parents, err := store.Parents(t.Context(), repo, name("{}"), index.Parent{}, 0)
	must(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		query := index.Query{
			Limit:    rapid.IntRange(0, 70).Draw(rt, "limit"),
			MaxBytes: rapid.IntRange(0, 4000).Draw(rt, "bytes"),
		}
		equal(rt, "walk", walk(rt, store, query), whole)
		query.ArtifactTypes = []string{"application/vnd.example.sbom"}
		equal(rt, "filtered walk", walk(rt, store, query), sboms)
		equal(rt, "walk of parents", walkParents(rt, store, name("{}"), rapid.IntRange(1, 70).Draw(rt, "parents")), parents)
	})
}
