package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// keepingApart is a registry that keeps what is pushed and asked for by the name
// of another registry apart from its own, as caches of several do.
func keepingApart(f *fixture) map[string]*oddRegistry {
	names := map[string]*oddRegistry{"a.example": newOddRegistry(), "b.example": newOddRegistry()}
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if name := r.URL.Query().Get("ns"); name != "" {
			if other := names[name]; other != nil {
				other.ServeHTTP(w, r)
			} else {
				http.NotFound(w, r)
			}
			return true
		}
		return false
	})
	return names
}

// entriesOf returns the digests of a listing.
func entriesOf(t testing.TB, body []byte) []digest.Digest {
	t.Helper()
	var doc struct {
		Manifests []struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatalf("listing: %v: %s", err, body)
	}
	digests := make([]digest.Digest, 0, len(doc.Manifests))
	for _, m := range doc.Manifests {
		digests = append(digests, m.Digest)
	}
	return digests
}

// nextOf returns where a Link leads to; empty without one.
func nextOf(link string) string {
	_, next, _ := strings.Cut(link, "<")
	next, _, _ = strings.Cut(next, ">")
	return next
}

// listAs lists the referrers that a repository has under a name.
func (f *fixture) listAs(ns string, subject digest.Digest) []digest.Digest {
	f.t.Helper()
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?ns="+ns, nil)
	if got.status != http.StatusOK {
		f.t.Fatalf("listing of %s: %d %s", ns, got.status, got.body)
	}
	entries := entriesOf(f.t, got.body)
	slices.Sort(entries)
	return entries
}

// Of a registry that ignores the name, what was pushed without one is found by
// it.
func TestReferrersAreFoundUnderTheNameOfAMirror(t *testing.T) {
	for name, names := range map[string][]string{"unknown": nil, "the upstream's own": {"Registry.example"}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *config.Config) { c.Upstream.Namespaces = names })
			subject := f.registry.put("app", image("subject"), "v1")
			first, second := referrer("first", subject), referrer("second", subject)
			f.push("app", first)
			if got := f.listAs("registry.example", subject); !slices.Equal(got, sorted(first)) {
				t.Errorf("listed: %v", got)
			}
			// One that is pushed by the name is found without it.
			at := "/v2/app/manifests/" + digest.FromBytes(second).String()
			got := f.do(http.MethodPut, at+"?ns=registry.example", second, "Content-Type", imageManifest)
			if got.status != http.StatusCreated || got.header.Get("OCI-Subject") != subject.String() {
				t.Errorf("push: %d %v", got.status, got.header)
			}
			for _, listed := range [][]digest.Digest{f.list("app", subject), f.listAs("registry.example", subject), f.listAs("other.example", subject)} {
				if !slices.Equal(listed, sorted(first, second)) {
					t.Errorf("listed: %v", listed)
				}
			}
			if got := f.do(http.MethodDelete, at+"?ns=registry.example", nil); got.status != http.StatusAccepted {
				t.Errorf("delete: %d", got.status)
			}
			for _, listed := range [][]digest.Digest{f.listAs("registry.example", subject), f.list("app", subject), f.listAs("other.example", subject)} {
				if !slices.Equal(listed, sorted(first)) {
					t.Errorf("after the delete: %v", listed)
				}
			}
		})
	}
}

// One registry's name is never answered for another.
func TestNamesAreKeptApart(t *testing.T) {
	f := newFixture(t, remembering, cacheManifests)
	names := keepingApart(f)
	subjectBody := image("subject")
	subject := f.registry.put("app", subjectBody)
	pushAs := func(ns string, manifest []byte) reply {
		return f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(manifest).String()+"?ns="+ns, manifest, "Content-Type", imageManifest)
	}
	own, inA, inB, both := referrer("own", subject), referrer("a", subject), referrer("b", subject), referrer("both", subject)
	for ns, manifest := range map[string][]byte{"": own, "a.example": inA, "b.example": inB} {
		got := pushAs(ns, manifest)
		// What can't be promised to be listed is not promised.
		if got.status != http.StatusCreated || (got.header.Get("OCI-Subject") != "") != (ns == "") {
			t.Errorf("push to %q: %d %v", ns, got.status, got.header)
		}
	}
	for _, ns := range []string{"", "a.example"} {
		pushAs(ns, both)
	}
	names["a.example"].put("app", subjectBody)
	// Its client keeps a referrers tag, as it was not told of a listing.
	names["a.example"].put("app", indexOf(inA), oci.ReferrersTag(subject))
	names["b.example"].put("app", subjectBody)
	for range 2 {
		for _, c := range []struct {
			ns   string
			want []digest.Digest
		}{{"", sorted(own, both)}, {"a.example", sorted(inA, both)}, {"b.example", sorted(inB)}, {"c.example", sorted()}} {
			// A pull by one name teaches nothing of another.
			for _, manifest := range [][]byte{own, inA, inB} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					got := f.do(method, "/v2/app/manifests/"+digest.FromBytes(manifest).String()+"?ns="+c.ns, nil)
					_, has := names[c.ns].of("app", manifest)
					if c.ns == "" {
						_, has = f.registry.of("app", manifest)
					}
					if (got.status == http.StatusOK) != has {
						t.Errorf("%s by %q: status %d", method, c.ns, got.status)
					}
				}
			}
			if got := f.listAs(c.ns, subject); !slices.Equal(got, c.want) {
				t.Errorf("%q lists %v, want %v", c.ns, got, c.want)
			}
		}
	}
	// Neither does a delete.
	f.do(http.MethodDelete, "/v2/app/manifests/"+digest.FromBytes(both).String()+"?ns=a.example", nil)
	if got := f.listAs("a.example", subject); slices.Contains(got, digest.FromBytes(both)) {
		t.Errorf("a.example lists what was deleted there: %v", got)
	}
	if got := f.list("app", subject); !slices.Contains(got, digest.FromBytes(both)) {
		t.Errorf("deleted by another name: %v", got)
	}
}

// of returns a manifest that the registry has.
func (o *oddRegistry) of(repository string, manifest []byte) ([]byte, bool) {
	if o == nil {
		return nil, false
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	found, has := o.manifests[repository+"@"+digest.FromBytes(manifest).String()]
	return found, has
}

// The registry's own listings by a name are shown, in pages and filtered.
func TestListingsUnderAnotherName(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	all := make([][]byte, 0, 5)
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		all = append(all, referrer(name, subject))
		f.registry.put("app", all[len(all)-1])
	}
	f.push("app", all[0])
	f.registry.put("app", indexOf(all[1], all[2]), oci.ReferrersTag(subject))
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") || r.URL.Query().Get("ns") == "" {
			return false
		}
		w.Header().Set("Content-Type", imageIndex)
		_, _ = w.Write(indexOf(all[3], all[4]))
		return true
	})
	var got []digest.Digest
	at := "/v2/app/referrers/" + subject.String() + "?n=2&ns=a.example&x=1"
	for pages := 0; at != "" && pages < 9; pages++ {
		page := f.do(http.MethodGet, at, nil)
		got = append(got, entriesOf(t, page.body)...)
		at = nextOf(page.header.Get("Link"))
		if next, err := url.Parse(at); err != nil || at != "" && (next.Query().Get("ns") != "a.example" || next.Query().Get("x") != "1") {
			t.Errorf("Link to %s", at)
		}
	}
	if !slices.Equal(got, sorted(all...)) {
		t.Errorf("listed: %v, want %v", got, sorted(all...))
	}
	filtered := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?ns=a.example&artifactType=application/vnd.example.four", nil)
	if got := entriesOf(t, filtered.body); !slices.Equal(got, sorted(all[3])) || filtered.header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("filtered: %v, %v", got, filtered.header)
	}
	// A source that fails makes no short list.
	for _, part := range []string{"/referrers/", "/manifests/" + oci.ReferrersTag(subject), "/manifests/" + digest.FromBytes(all[0]).String(), "/manifests/" + digest.FromBytes(all[1]).String()} {
		fresh := newFixtureWith(t, f.store)
		fresh.registry.manifests = f.registry.manifests
		fresh.registry.answer(status(http.StatusServiceUnavailable, func(r *http.Request) bool { return strings.Contains(r.URL.Path, part) }))
		if got := fresh.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?ns=a.example", nil); got.status != http.StatusBadGateway {
			t.Errorf("%s fails: status %d %s", part, got.status, got.body)
		}
	}
}

// To a client that may not read there a listing by any name is empty.
func TestNoListingUnderANameWithoutPermission(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	f.push("app", referrer("x", subject))
	f.registry.answer(hiding("Bearer owner"))
	if got := f.listAs("a.example", subject); len(got) != 0 {
		t.Errorf("a stranger got %v", got)
	}
}

func TestNamesThatCannotBeRead(t *testing.T) {
	f := newFixture(t)
	sum := f.registry.put("app", image("x"), "v1").String()
	for _, c := range []struct {
		path string
		want int
	}{
		{"/v2/app/manifests/" + sum + "?ns=a&ns=b", http.StatusBadRequest},
		{"/v2/app/referrers/" + sum + "?ns=" + strings.Repeat("a", 300), http.StatusBadRequest},
		{"/v2/app/manifests/" + sum + "?ns=a;b", http.StatusBadRequest},
		{"/v2/app/manifests/" + sum + "?ns=", http.StatusOK},
		{"/v2/app/_backref/graph/tree?subject=v1&ns=a.example", http.StatusBadRequest},
		{"/v2/app/_backref/catalog/artifacts?ns=a.example", http.StatusBadRequest},
		{"/v2/app/_backref/graph/tree?subject=v1&ns=" + strings.TrimPrefix(f.upstreamURL, "http://"), http.StatusOK},
	} {
		if got := f.do(http.MethodGet, c.path, nil); got.status != c.want {
			t.Errorf("%s: status %d: %s", c.path, got.status, got.body)
		}
	}
}

// Parameters that say nothing of the page are in the Link to the next one.
func TestLinksKeepWhatWasAskedWith(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Upstream.Namespaces = []string{"one.example"} })
	subject := f.registry.put("app", image("subject"), "v1", "v2", "v3")
	f.push("app", referrer("one", subject))
	f.push("app", referrer("two", subject))
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			return false
		}
		_, _ = w.Write([]byte(`{"name":"app","tags":["v1","v2","v3"]}`))
		return true
	})
	f.list("app", subject)
	for _, path := range []string{
		"/v2/app/referrers/" + subject.String() + "?", "/v2/app/tags/list?", "/v2/app/_backref/graph/referrers?subject=v1&",
		"/v2/app/_backref/graph/parents?digest=" + subject.String() + "&", "/v2/app/_backref/catalog/artifacts?", "/v2/app/_backref/catalog/tags?",
	} {
		first := f.do(http.MethodGet, path+"n=1&ns=one.example&x=a%26b&x=c", nil)
		next, err := url.Parse(nextOf(first.header.Get("Link")))
		if err != nil || first.status != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", path, first.status, first.body, err)
		}
		query := next.Query()
		if query.Get("ns") != "one.example" || !slices.Equal(query["x"], []string{"a&b", "c"}) || len(query["n"]) != 1 || len(query["last"]) != 1 {
			t.Errorf("%s: Link to %s", path, next)
		}
		second := f.do(http.MethodGet, next.String(), nil)
		if second.status != http.StatusOK || string(second.body) == string(first.body) {
			t.Errorf("%s: the next page is %d %s", path, second.status, second.body)
		}
	}
}

// A referrer that is pushed by the name of a mirror is held as others are, and
// counted where it can't be.
func TestAReferrerIsHeldUnderTheNameOfAMirror(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"), "v1")
	push := func(name string) digest.Digest {
		body := referrer(name, subject)
		sum := digest.FromBytes(body)
		got := f.do(http.MethodPut, "/v2/app/manifests/"+sum.String()+"?ns=registry.example", body, "Content-Type", imageManifest)
		if got.status != http.StatusCreated || got.header.Get("OCI-Subject") != subject.String() || got.header.Get("Docker-Content-Digest") != sum.String() {
			t.Errorf("push: %d %v", got.status, got.header)
		}
		return sum
	}
	held := push("held")
	if !f.registry.has("app", oci.HiddenTag(held)) || f.stats().Unheld != 0 {
		t.Errorf("%s has no hidden tag, %d are unheld", held, f.stats().Unheld)
	}
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".referrer") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	push("refused")
	if got := f.list("app", subject); len(got) != 2 {
		t.Errorf("listed: %v", got)
	}
	if n := f.stats().Unheld; n != 1 {
		t.Errorf("%d are unheld, want 1", n)
	}
	// Of another registry the index counts nothing.
	keepingApart(f)["a.example"].answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".referrer") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	apart := referrer("apart", subject)
	if got := f.do(http.MethodPut, "/v2/app/manifests/"+digest.FromBytes(apart).String()+"?ns=a.example", apart, "Content-Type", imageManifest); got.status != http.StatusCreated {
		t.Errorf("push: %d %s", got.status, got.body)
	}
	if n := f.stats().Unheld; n != 1 {
		t.Errorf("%d are unheld, want 1", n)
	}
}
