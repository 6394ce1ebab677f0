package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestListsWithoutEnd has a registry list tags and repositories for ever, with
// new ones or the same, in pages or at once.
func TestListsWithoutEnd(t *testing.T) {
	var page atomic.Int64
	more := func(w http.ResponseWriter, r *http.Request, field, entry string) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Link", fmt.Sprintf(`<%s?n=1&last=%s>; rel="next"`, r.URL.Path, entry))
		_, _ = fmt.Fprintf(w, `{%q:[%q]}`, field, entry)
	}
	hidden := func(n int64) string { return fmt.Sprintf("sha256-%064x", n) }
	// Only lists of referrers are hidden.
	lists := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, tag, found := strings.Cut(r.URL.Path, "/manifests/")
			if !found {
				next(w, r)
				return
			}
			w.Header().Set("Content-Type", rig.ImageIndex)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"com.github.backref.subject":%q}}`,
				rig.ImageIndex, strings.Replace(tag, "-", ":", 1))
		}
	}
	for name, list := range map[string]http.HandlerFunc{
		"hidden tags, page after page": lists(func(w http.ResponseWriter, r *http.Request) {
			more(w, r, "tags", hidden(page.Add(1)))
		}),
		"the same page again": lists(func(w http.ResponseWriter, r *http.Request) { more(w, r, "tags", hidden(1)) }),
		"one page without end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"tags":["a"`)
			endless(`,"sha256-a"`)(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			count(t)
			b := rig.NewBackref(t, newWitness(t, list).URL)
			got := rig.Do(t, http.MethodGet, b.URL+"/v2/app/tags/list?n=10", nil)
			if got.Status != http.StatusNotImplemented && got.Status != http.StatusBadGateway {
				t.Errorf("[CVE-2023-2253] status %d: %.300s", got.Status, got.Body)
			}
		})
	}
	t.Run("repositories, while rebuilding", func(t *testing.T) {
		count(t)
		var page atomic.Int64
		b := rig.NewBackref(t, newWitness(t, func(w http.ResponseWriter, r *http.Request) {
			more(w, r, "repositories", fmt.Sprintf("app%d", page.Add(1)))
		}).URL, "--set", "upstream.service.anonymous=true", "--set", "limits.listEntries=1000")
		c := b.Try(t, "index", "rebuild")
		if c.Err == nil || !strings.Contains(c.Stdout+c.Stderr, "limits.listEntries") {
			t.Errorf("[CVE-2023-2253] %v\n%s%s", c.Err, c.Stdout, c.Stderr)
		}
		if read := page.Load(); read > 2_000 {
			t.Errorf("%d pages were read", read)
		}
	})
}

// TestPagesOfAnySize asks real registries for pages of sizes beyond sense.
func TestPagesOfAnySize(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		for _, path := range []string{"/v2/_catalog", "/v2/app/tags/list", "/v2/app/referrers/" + s.subject.Digest().String()} {
			for _, n := range []string{"2147483647", "9223372036854775807"} {
				t.Run(path+"?n="+n, func(t *testing.T) {
					count(t)
					got := rig.Do(t, http.MethodGet, s.backref.URL+path+"?n="+n, nil)
					if got.Status != http.StatusOK && got.Status != http.StatusBadRequest {
						t.Errorf("[CVE-2023-2253] status %d: %s", got.Status, got.Body)
					}
				})
			}
		}
	})
}
