package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// A registry that cuts its pages without a link, and begins anew behind the end
// of the list, is read through to its end, and no further.
func TestTagPagesThatAreCutWithoutALink(t *testing.T) {
	for _, hide := range []string{"none", "referrers"} {
		for _, count := range []int{1, 4, 5, 10, 100, 230} {
			var tags, want []string
			for i := range count {
				tag := fmt.Sprintf("v%04d", i)
				if want = append(want, tag); hide == "referrers" && i%3 == 0 {
					want, tag = want[:len(want)-1], "sha256-"+digest.FromString(tag).Encoded()+".referrer"
				}
				tags = append(tags, tag)
			}
			slices.Sort(tags)
			pager := &tagPager{tags: tags, silent: true}
			f := newFixture(t, func(c *config.Config) { c.Tags.Hide = hide })
			// The registry has none of the manifests: their hidden tags lead nowhere.
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				return strings.HasSuffix(r.URL.Path, "/tags/list") && pager.answer(w, r)
			})
			for _, n := range []int{1, 2, 5, 7, 100, 1000} {
				got := slices.Concat(walkTags(f, "?n="+strconv.Itoa(n))...)
				if !slices.Equal(got, want) {
					t.Errorf("%s, %d tags in pages of %d: got %d, want %d", hide, count, n, len(got), len(want))
				}
			}
		}
	}
}

// A page that is the whole list gets no link.
func TestAWholePageHasNoLink(t *testing.T) {
	for name, pager := range map[string]*tagPager{
		"pages with links": {tags: []string{"a", "b"}}, "cuts without one": {tags: []string{"a", "b"}, silent: true}, "ignores n": {tags: []string{"b", "a"}, ignorant: true},
	} {
		f := newFixture(t, func(c *config.Config) { c.Tags.Hide = "none" })
		f.registry.answer(pager.answer)
		if pages := walkTags(f, "?n=2"); len(pages) != 1 || len(pages[0]) != 2 {
			t.Errorf("%s: %v", name, pages)
		}
	}
}
