package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

// catalogOf has a registry list repositories in pages of at most most.
func catalogOf(repositories []string, most int, ignoresLast bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v2/_catalog" {
			return false
		}
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n > most {
			n = most
		}
		page := repositories
		if last := r.URL.Query().Get("last"); last != "" && !ignoresLast {
			at, found := slices.BinarySearch(repositories, last)
			if found {
				at++
			}
			page = repositories[at:]
		}
		if len(page) > n && !ignoresLast {
			page = page[:n]
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?n=%d&last=%s>; rel="next"`, n, page[n-1]))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"repositories": page})
		return true
	}
}

// In auth.mode service a client sees the repositories that it may pull from, page by
// page, however the registry makes its own.
func TestTheCatalogIsWhatOneMayPull(t *testing.T) {
	var all, visible []string
	for i := range 60 {
		// Long runs of what the client may not see.
		name := fmt.Sprintf("secret/%03d", i)
		if i%20 < 3 {
			name = fmt.Sprintf("open/%03d", i)
			visible = append(visible, name)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	f := newFixture(t, func(cfg *config.Config) {
		cfg.Auth.Mode, cfg.Upstream.Service.Anonymous = config.AuthService, true
		cfg.Auth.Rules = []config.Rule{
			{Repositories: []string{"open/**"}, Anonymous: true, Allow: []string{"pull"}},
			{Repositories: []string{"secret/**"}, Anonymous: true, Allow: []string{"push"}},
		}
		cfg.Limits.PageSize = 1000
	})
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"pages": catalogOf(all, 7, false), "all at once": catalogOf(all, 1000, true),
		"interleaved": catalogOf(slices.Sorted(slices.Values(append(slices.Clone(all), "p/000", "o/999"))), 7, false),
	} {
		for _, n := range []int{0, 1, 2, 4, 100} {
			f.registry.answer(hook)
			var got []string
			at := "/v2/_catalog"
			if n > 0 {
				at += "?n=" + strconv.Itoa(n)
			}
			for pages := 0; at != ""; pages++ {
				page := f.do(http.MethodGet, at, nil)
				var list struct{ Repositories []string }
				if err := json.Unmarshal(page.body, &list); err != nil || page.status != http.StatusOK || n > 0 && len(list.Repositories) > n || pages > len(all) {
					t.Fatalf("%s, n=%d: %d %s", name, n, page.status, page.body)
				}
				got = append(got, list.Repositories...)
				at = strings.TrimSuffix(strings.TrimPrefix(page.header.Get("Link"), "<"), `>; rel="next"`)
			}
			if !slices.Equal(got, visible) {
				t.Errorf("%s, n=%d: %v", name, n, got)
			}
		}
	}
	for at, want := range map[string]int{"/v2/_catalog?n=-1": 400, "/v2/_catalog?n=x": 400, "/v2/_catalog?n=0": 200, "/v2/_catalog?last=a&last=b": 400} {
		if got := f.do(http.MethodGet, at, nil); got.status != want || strings.Contains(string(got.body), "secret") {
			t.Errorf("%s: %d %s", at, got.status, got.body)
		}
	}
	for status, want := range map[int]int{404: 404, 405: 404, 403: 502, 500: 502} {
		f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
		if got := f.do(http.MethodGet, "/v2/_catalog", nil); got.status != want {
			t.Errorf("the registry answers %d: %d %s", status, got.status, got.body)
		}
	}
}
