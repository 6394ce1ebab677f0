package oci_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

func TestNextLink(t *testing.T) {
	for link, want := range map[string]string{
		`</a>; rel="next"`:                                "/a",
		`</a>; rel=next`:                                  "/a",
		`</a>;rel=next`:                                   "/a",
		`</a>;REL="Next"`:                                 "/a",
		`</a> ; rel = "next"`:                             "/a",
		`</a>;;rel=next;`:                                 "/a",
		`<?last=x>; rel="next"`:                           "?last=x",
		`</first>; rel="first", </a>; rel="next"`:         "/a",
		`</a>; rel="next", </first>; rel="first"`:         "/a",
		`</first>; rel=first,</a>;rel=next`:               "/a",
		`, ,</a>; rel="next"`:                             "/a",
		`</a>; rel="prev next"`:                           "/a",
		`</a>; rel="next last"`:                           "/a",
		"</a>; rel=\"prev\tnext\"":                        "/a",
		`</a?of=b,c>; title="x, y;z"; rel="next"`:         "/a?of=b,c",
		`</a>; title="\", rel=next"; rel="next"`:          "/a",
		`</x>; title="a, </b>; rel=next", </a>; rel=next`: "/a",
		`</a>; title*=UTF-8''x; rel="next"`:               "/a",
		`</a>; crossorigin; rel="next"`:                   "/a",
		`</a>; rel="next`:                                 "/a",
		`/x; rel="next", </a>; rel="next"`:                "/a",
		`</a>; rel="next" x, </b>; rel="first"`:           "/a",
		`</x>; rel="next"; anchor="/v2/", </a>; rel=next`: "/a",
		`</a>; rel="prev"; title="rel=next"`:              "",
		`</a>; rel="prev"; rel="next"`:                    "",
		`</first>; rel="first", </last>; rel="last"`:      "",
		`</a>; rel="nextish"`:                             "",
		`</a>; rev="next"`:                                "",
		`/a; rel="next"`:                                  "",
		`</a; rel="next"`:                                 "",
		`</a>, rel="next"`:                                "",
		``:                                                "",
	} {
		got, found := oci.NextLink([]string{`</before>; rel="prev"`, link})
		if got != want || found != (want != "") {
			t.Errorf("%s: %q, %t", link, got, found)
		}
	}
}

func TestReplaceTargets(t *testing.T) {
	longer := func(target string) (string, bool) { return "/longer" + target, target != "/kept" }
	for value, want := range map[string]string{
		`</a>; rel="next"`:                     `</longer/a>; rel="next"`,
		`</a>; rel=first, </kept>, </b>;rel=x`: `</longer/a>; rel=first, </kept>, </longer/b>;rel=x`,
		`</kept>; title="<no target>"`:         `</kept>; title="<no target>"`,
		`<>; rel=next`:                         `</longer>; rel=next`,
		`no link`:                              `no link`,
	} {
		if got, changed := oci.ReplaceTargets(value, longer); got != want || changed != (got != value) {
			t.Errorf("%s: %s, %t", value, got, changed)
		}
	}
}

// FuzzParseLinks checks that a link which is written by the rules is read as it
// was written, whatever stands before it.
func FuzzParseLinks(f *testing.F) {
	f.Add(`</first>; rel="first"`, "/a?n=1", "prev next", "x, y; z")
	f.Add(`</x>; rel="`, "", "", `\`)
	f.Add("<", "//h/", "NEXT", `"`)
	f.Add(`a "b`, "/", "next", "")
	f.Fuzz(func(t *testing.T, before, target, relations, title string) {
		for _, link := range oci.ParseLinks(before) {
			if strings.Contains(link.Target, ">") || !strings.Contains(before, "<"+link.Target+">") {
				t.Errorf("%q has no target %q", before, link.Target)
			}
		}
		same, changed := oci.ReplaceTargets(before, func(target string) (string, bool) { return target, true })
		if same != before || changed != (len(oci.ParseLinks(before)) > 0) {
			t.Errorf("%q became %q", before, same)
		}
		if strings.Contains(target, ">") {
			return
		}
		quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
		written := "<" + target + ">; title=" + quote(title) + "; rel=" + quote(relations)
		links := oci.ParseLinks(written + ", </last>; rel=last")
		if len(links) != 2 || links[0].Target != target || !slices.Equal(links[0].Relations, strings.Fields(strings.ToLower(relations))) {
			t.Errorf("%s: %+v", written, links)
		}
	})
}
