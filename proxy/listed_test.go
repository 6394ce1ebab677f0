package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

// verbose is a referrer with an annotation of so many bytes.
func verbose(name string, subject digest.Digest, size int) []byte {
	return []byte(strings.Replace(string(referrer(name, subject)), `{"schemaVersion":2,`,
		`{"schemaVersion":2,"annotations":{"long":"`+strings.Repeat("a", size)+`","short":"s"},`, 1))
}

// Some clients read the first page only: no referrer pushes another off it by
// what its annotations take, be it in the registry already, or pushed.
func TestLongAnnotationsHideNoOther(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Limits.ResponseSize = 128 << 10 })
	subject := f.registry.put("app", image("subject"))
	var want []digest.Digest
	for i := range 50 {
		body := referrer(fmt.Sprint("n", i), subject)
		if i < 5 {
			body = verbose(fmt.Sprint("n", i), subject, 60<<10)
		}
		want = append(want, digest.FromBytes(body))
		if got := f.push("app", body); got.status != http.StatusCreated {
			t.Fatalf("push: %d %s", got.status, got.body)
		}
	}
	huge := verbose("huge", subject, 1<<20)
	want = append(want, f.registry.put("app", huge))
	f.registry.put("app", indexOf(huge), "sha256-"+subject.Encoded())
	slices.Sort(want)
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	if listed := listed(t, got.body); !slices.Equal(listed, want) || got.header.Get("Link") != "" {
		t.Errorf("%d of %d are on the first page, Link %q", len(listed), len(want), got.header.Get("Link"))
	}
	if n := strings.Count(string(got.body), `"com.github.backref.annotations-omitted":"long","short":"s"`); n != 6 {
		t.Errorf("%d descriptors name what they leave out, want 6", n)
	}
	filtered := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?annotation=long", nil)
	if n := len(listed(t, filtered.body)); n != 6 {
		t.Errorf("a filter by what is left out finds %d, want 6", n)
	}
	var paged []digest.Digest
	for path := "/v2/app/referrers/" + subject.String() + "?n=7"; path != ""; {
		page := f.do(http.MethodGet, path, nil)
		entries := listed(t, page.body)
		if path = nextOf(page.header.Get("Link")); path != "" && len(entries) != 7 {
			t.Errorf("a page has %d entries", len(entries))
		}
		paged = append(paged, entries...)
	}
	if !slices.Equal(paged, want) {
		t.Errorf("%d of %d in pages", len(paged), len(want))
	}
}

// With nothing set, thousands find room on the first page, whatever each of them
// brings.
func TestThousandsAreOnTheFirstPage(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	const count = 2000
	mark, err := f.store.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var records []index.Record
	for i := range count {
		m, err := index.ParseManifest(imageManifest, digest.SHA256, verbose(fmt.Sprint("n", i), subject, 3<<10))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, index.Record{Repository: "app", Manifest: m})
	}
	if err := f.store.Observe(t.Context(), mark, records...); err != nil {
		t.Fatal(err)
	}
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
	if n := len(listed(t, got.body)); n != count || got.header.Get("Link") != "" || len(got.body) > 4<<20 {
		t.Errorf("%d of %d are on a first page of %d bytes", n, count, len(got.body))
	}
}

// A referrer that no listing could carry is refused before the registry sees
// it.
func TestWhatNoListingCanCarryIsRefused(t *testing.T) {
	f := newFixture(t)
	subject := digest.FromString("subject")
	for name, body := range map[string][]byte{
		"annotations":   verbose("a", subject, 70<<10),
		"artifact type": referrer(strings.Repeat("a", 300), subject),
	} {
		got := f.push("app", body)
		if got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "MANIFEST_INVALID") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, seen := range f.registry.seen() {
		if strings.HasPrefix(seen, http.MethodPut) {
			t.Errorf("the registry saw %s", seen)
		}
	}
}
