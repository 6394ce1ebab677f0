package proxy_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// tagPager lists tags as registries do.
type tagPager struct {
	tags []string
	// ignorant ones send all tags at once, as they are.
	ignorant bool
	// opaque ones have cursors of their own.
	opaque bool
	// silent ones cut a page without a link, and begin anew behind the end, as
	// go-containerregistry's do.
	silent bool
	// most is how many tags a page has at most, 0 for no bound.
	most int
	// refuses says that more than so many are refused, 0 that none are.
	refuses int
	pages   int
}

func (p *tagPager) answer(w http.ResponseWriter, r *http.Request) bool {
	p.pages++
	tags, query := p.tags, r.URL.Query()
	if n, _ := strconv.Atoi(query.Get("n")); p.refuses > 0 && n > p.refuses {
		w.WriteHeader(http.StatusBadRequest)
		return true
	}
	var next string
	if !p.ignorant {
		tags, next = p.page(query)
	}
	if next != "" {
		n := ""
		if query.Has("n") {
			n = "&n=" + query.Get("n")
		}
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/v2/a/tags/list?last=%s%s>; rel="next"`, r.Host, url.QueryEscape(next), n))
	}
	encoded, _ := json.Marshal(tags)
	_, _ = fmt.Fprintf(w, `{"name":"a","tags":%s,"own":{"x":1}}`, encoded)
	return true
}

func (p *tagPager) page(query url.Values) (tags []string, next string) {
	tags = slices.Sorted(slices.Values(p.tags))
	last := query.Get("last")
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(last, "=")); p.opaque && err == nil {
		last = string(decoded)
	}
	start, found := slices.BinarySearch(tags, last)
	if found {
		start++
	}
	if tags = tags[start:]; p.silent && len(tags) == 0 {
		tags = slices.Sorted(slices.Values(p.tags))
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil {
		n = len(tags)
	}
	if p.most > 0 {
		n = min(n, p.most)
	}
	if n >= len(tags) {
		return tags, ""
	}
	if p.silent {
		return tags[:n], ""
	}
	if next = tags[n-1]; p.opaque {
		next = "=" + base64.StdEncoding.EncodeToString([]byte(next))
	}
	return tags[:n], next
}

// emptyLists has every tag of the form of a referrers tag stand for a list of
// referrers that lists none, as the mirror leaves it; next answers the rest.
func emptyLists(next func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		_, tag, found := strings.Cut(r.URL.Path, "/manifests/")
		if !found {
			return next(w, r)
		}
		algorithm, hex, _ := strings.Cut(tag, "-")
		if algorithm == "sha512" {
			hex += hex // Only the first half is in the tag.
		}
		list := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"com.github.backref.subject":"%s:%s"}}`, imageIndex, algorithm, hex)
		w.Header().Set("Content-Type", imageIndex)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(list).String())
		_, _ = w.Write(list)
		return true
	}
}

// walkTags follows Link from the first page on and returns the pages.
func walkTags(f *fixture, query string) (pages [][]string) {
	f.t.Helper()
	for at := "/v2/a/tags/list" + query; at != ""; {
		got := f.do(http.MethodGet, at, nil)
		var list struct{ Tags []string }
		if err := json.Unmarshal(got.body, &list); err != nil || got.status != http.StatusOK || list.Tags == nil {
			f.t.Fatalf("%s: status %d: %s", at, got.status, got.body)
		}
		pages = append(pages, list.Tags)
		at = ""
		if link := got.header.Get("Link"); link != "" {
			target, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
			at = strings.TrimPrefix(target, f.url)
		}
		if len(pages) > 1000 {
			f.t.Fatalf("%s goes on for ever", query)
		}
	}
	return pages
}

// mixedTags returns tags of which runs are to be hidden.
func mixedTags(random *rand.Rand) (all, visible []string) {
	for i := range 40 {
		tag := fmt.Sprintf("%c%d", 'a'+random.IntN(26), i)
		if random.IntN(4) == 0 {
			tag = "sha256-" + tag
		}
		visible = append(visible, tag)
	}
	all = slices.Clone(visible)
	for i := range random.IntN(60) {
		all = append(all, "sha256-"+digest.FromString(fmt.Sprint(i)).Encoded(), "sha512-"+digest.SHA512.FromString(fmt.Sprint(i)).Encoded()[:64])
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.Sort(visible)
	return all, visible
}

func TestHiddenTagsLeaveNoGap(t *testing.T) {
	for name, kind := range map[string]tagPager{
		"pages": {}, "sends all": {ignorant: true}, "opaque": {opaque: true}, "small pages": {most: 7}, "small opaque pages": {most: 7, opaque: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			for seed := range uint64(4) {
				pager := kind
				var visible []string
				pager.tags, visible = mixedTags(rand.New(rand.NewPCG(seed, 0)))
				f.registry.answer(emptyLists(pager.answer))
				for _, n := range []int{0, 1, 2, 3, 5, 10, 39, 40, 41, 1000} {
					query, full := "?n="+strconv.Itoa(n), n
					if n == 0 {
						query, full = "", len(visible)
					}
					if kind.most > 0 {
						full = min(full, kind.most)
					}
					pages := walkTags(f, query)
					got := slices.Concat(pages...)
					if query == "" || n >= len(pager.tags) {
						slices.Sort(got) // Lists that are whole stay in the upstream's order.
					}
					if !slices.Equal(got, visible) {
						t.Fatalf("seed %d%s: got %q\nwant %q", seed, query, got, visible)
					}
					for i, page := range pages[:len(pages)-1] {
						if len(page) != full && len(slices.Concat(pages[i+1:]...)) > 0 {
							t.Fatalf("seed %d%s: page %d has %d tags: %q", seed, query, i, len(page), pages)
						}
					}
				}
			}
		})
	}
}

func TestTagsToHide(t *testing.T) {
	hex := digest.FromString("x").Encoded()
	tags := []string{"v1", "sha256-" + hex, "sha256-" + hex + ".sig", "sha256-" + hex + ".att", "sha256-" + hex + ".sbom", "sha256-" + hex + ".x", "sha256-1", "SHA256-" + hex}
	for _, c := range []struct {
		hide string
		want []string
	}{
		{"none", tags},
		{"referrers", append(slices.Clone(tags[:1]), tags[2:]...)},
		{"referrers+cosign", append(slices.Clone(tags[:1]), tags[5:]...)},
	} {
		f := newFixture(t, func(cfg *config.Config) { cfg.Tags.Hide = c.hide })
		f.registry.answer(emptyLists((&tagPager{tags: tags, ignorant: true}).answer))
		if got := walkTags(f, ""); len(got) != 1 || !slices.Equal(got[0], c.want) {
			t.Errorf("%s: got %q", c.hide, got)
		}
		if got := f.do(http.MethodGet, "/v2/a/tags/list", nil); !strings.Contains(string(got.body), `"own":{"x":1}`) {
			t.Errorf("%s: a field of the registry's own is lost: %s", c.hide, got.body)
		}
	}
	f := newFixture(t)
	f.registry.answer(emptyLists((&tagPager{tags: tags[1:2], ignorant: true}).answer))
	if got := f.do(http.MethodGet, "/v2/a/tags/list", nil); !strings.Contains(string(got.body), `"tags":[]`) {
		t.Errorf("all hidden: %s", got.body)
	}
}

func TestTagListsWithNothingToHidePassUnchanged(t *testing.T) {
	const body, link = `{ "tags":["z","b"],"name":"a" }`, `</v2/a/tags/list?page=2>; rel="next"`
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Etag", `"x"`)
		w.Header().Set("Link", link)
		_, _ = io.WriteString(w, body)
		return true
	})
	for _, query := range []string{"", "?n=2", "?n=2&last=c"} {
		got := f.do(http.MethodGet, "/v2/a/tags/list"+query, nil)
		if string(got.body) != body || got.header.Get("Link") != link || got.header.Get("Etag") != `"x"` {
			t.Errorf("%q: got %s, %v", query, got.body, got.header)
		}
	}
	if got := f.registry.seen(); len(got) != 3 {
		t.Errorf("the registry was asked %q", got)
	}
}

func TestHidingTagsIsBounded(t *testing.T) {
	hidden := []string{"zz"}
	for i := range 500 {
		hidden = append(hidden, "sha256-"+digest.FromString(fmt.Sprint(i)).Encoded())
	}
	pages := func(cfg *config.Config) { cfg.Limits.TagListPages = 4 }
	size := func(cfg *config.Config) { cfg.Limits.TagListSize = 10_000 }
	for name, c := range map[string]struct {
		pager tagPager
		set   func(*config.Config)
	}{
		"pages": {tagPager{most: 50}, pages}, "size of pages": {tagPager{most: 50}, size}, "size of one": {tagPager{ignorant: true}, size},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.set)
			c.pager.tags = hidden
			f.registry.answer(emptyLists(c.pager.answer))
			got := f.do(http.MethodGet, "/v2/a/tags/list?n=1", nil)
			if got.status != http.StatusNotImplemented || !strings.Contains(string(got.body), "limits.tagListPages") {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if c.pager.pages > 4 {
				t.Errorf("%d pages were read", c.pager.pages)
			}
		})
	}
}

func TestTagPagesThatFail(t *testing.T) {
	page := fmt.Sprintf(`{"name":"a","tags":["sha256-%s"]}`, digest.FromString("x").Encoded())
	for name, c := range map[string]struct {
		link string
		then func(w http.ResponseWriter)
		want int
	}{
		"refused":      {"</v2/a/tags/list?last=x>", func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, http.StatusUnauthorized},
		"failing":      {"</v2/a/tags/list?last=x>", func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, http.StatusBadGateway},
		"not JSON":     {"</v2/a/tags/list?last=x>", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") }, http.StatusBadGateway},
		"going round":  {"</v2/a/tags/list?last=x>", func(w http.ResponseWriter) { _, _ = io.WriteString(w, page) }, http.StatusBadGateway},
		"leading away": {"<http://elsewhere.example/v2/a/tags/list>", nil, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.answer(emptyLists(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Has("last") {
					c.then(w)
					return true
				}
				w.Header().Set("Link", c.link+`; rel="next"`)
				_, _ = io.WriteString(w, page)
				return true
			}))
			if got := f.do(http.MethodGet, "/v2/a/tags/list", nil); got.status != c.want {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		})
	}
}

// TestALongRunOfHiddenTags checks that the limits, as they are by default, let
// a page be filled where nearly all of many tags are hidden.
func TestALongRunOfHiddenTags(t *testing.T) {
	tags := []string{"a", "b", "c", "d", "e", "v", "w", "x", "y", "z"}
	want := slices.Clone(tags)
	for i := range 4_990 {
		tags = append(tags, "sha256-"+digest.FromString(strconv.Itoa(i)).Encoded())
	}
	for name, pager := range map[string]*tagPager{
		"in pages": {tags: tags}, "in pages of 100": {tags: tags, most: 100},
		"in pages with cursors": {tags: tags, opaque: true}, "all at once": {tags: tags, ignorant: true},
		"in pages of 100 at most": {tags: tags, refuses: 100}, "in pages of 50 at most": {tags: tags, refuses: 50, opaque: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.answer(emptyLists(pager.answer))
			var got []string
			for next := "/v2/a/tags/list?n=3"; next != ""; {
				page := f.do(http.MethodGet, next, nil)
				var list struct{ Tags []string }
				if err := json.Unmarshal(page.body, &list); page.status != http.StatusOK || err != nil || len(list.Tags) > 3 {
					t.Fatalf("%s: status %d, %v: %s", next, page.status, err, page.body)
				}
				got = append(got, list.Tags...)
				next = strings.TrimSuffix(strings.TrimPrefix(page.header.Get("Link"), "<"), `>; rel="next"`)
				next = strings.TrimPrefix(next, f.url)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
			// The run is read in pages that grow.
			if most := map[string]int{"in pages": 20, "in pages with cursors": 20}[name]; most > 0 && pager.pages > most {
				t.Errorf("%d pages were read", pager.pages)
			}
		})
	}
}
