package see

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// An operator looks at what is open and what was decided, and has the index rebuilt and
// verified, and retention tried, without a script.
func TestPagesOfOperations(t *testing.T) {
	s := newShelf(t, "team/app",
		"--set", `tags.locks=[{name: releases, repositories: ["team/**"], tags: ["1.*"]}]`,
		"--set", `retention.rules=[{name: few scans, repositories: ["**"], artifactTypes: ["application/sarif+json"], keep: {none: true}}]`,
		"--set", "upstream.service.anonymous=true")
	s.fill()
	if got := rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/team/app/manifests/1.10.0", nil); got.Status < http.StatusBadRequest {
		t.Fatalf("a locked tag is deleted: %d", got.Status)
	}
	viewers := newViewers(t)
	operations := s.backref.AdminURL + "/ui/operations"
	for _, page := range []struct {
		name, path string
		says       []string
	}{
		{"operations", "", []string{"The index", "Repositories", "Referrers", "Rebuild", "Dry run of retention"}},
		{"intents", "/intents", []string{"What is open"}},
		{"decisions", "/decisions?repository=team/**&outcome=denied", []string{"denied", "delete", "team/app", "releases"}},
		{"work", "/work/retention", []string{"Nothing is deleted", "Begin"}},
	} {
		t.Run(page.name, func(t *testing.T) {
			for _, as := range viewers {
				as.page.Open(operations + page.path)
				mustBeGood(t, as, page.says)
				as.page.Screenshot("operations-" + page.name + "-" + as.name)
			}
		})
	}
	for kind, says := range map[string]string{"rebuild": "found", "verify": "records", "retention": "few scans"} {
		t.Run("run "+kind, func(t *testing.T) {
			p := viewers[2].page
			p.Open(operations + "/work/" + kind)
			p.Click("Begin")
			rig.Eventually(t, "the page says that it is done", func() bool {
				p.Open(operations + "/work/" + kind)
				return strings.Contains(p.Text(), "Done")
			})
			if text := p.Text(); !strings.Contains(text, says) {
				t.Errorf("%q is not on the page: %s", says, text)
			}
			p.Screenshot("operations-done-" + kind)
			p.MustFit()
			p.MustBeQuiet()
		})
	}
}
