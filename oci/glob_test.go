package oci_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern string
		matches []string
		others  []string
	}{
		{"app", []string{"app"}, []string{"ap", "apps", "a/app", "app/a"}},
		{"*", []string{"app"}, []string{"a/b"}},
		{"**", []string{"app", "a/b", "a/b/c"}, nil},
		{"team/*", []string{"team/app"}, []string{"team", "team/a/b", "teams/app"}},
		// What is below a name is not the name itself.
		{"own/**", []string{"own/a", "own/a/b"}, []string{"own", "owner/a"}},
		{"**/app", []string{"a/app", "a/b/app"}, []string{"app", "a/apps"}},
		{"team**", []string{"team", "teams", "team/a/b"}, []string{"a/team"}},
		{"a*c*e", []string{"ace", "abcde", "acce"}, []string{"a/ce", "acd", "ab"}},
		{"a**b*c", []string{"abc", "a/x/bc", "a/b/bxc"}, []string{"a/b/c", "ab/c"}},
		{"*/*", []string{"a/b"}, []string{"a", "a/b/c"}},
		{"***", []string{"a/b"}, nil},
	} {
		glob, err := oci.ParseGlob(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, name := range c.matches {
			if !glob.Match(name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range c.others {
			if glob.Match(name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
	for _, text := range []string{"", "a?", "Team", "a b", "a[b]", `a\b`, "a{b}", "ä"} {
		if _, err := oci.ParseGlob(text); err == nil {
			t.Errorf("%q is taken for a pattern", text)
		}
	}
	if (oci.Glob{}).Match("") {
		t.Error("the zero pattern matches")
	}
}

// FuzzGlob holds a pattern against the plain definition of one.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"a**b*c", "a/b/bxc"}, {"*a*", "bab"}, {"**/a", "a/a"}, {"a*/**c", "ab/d/c"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		glob, err := oci.ParseGlob(pattern)
		if err != nil || len(pattern) > 40 || len(name) > 60 {
			return
		}
		if got, want := glob.Match(name), matches(pattern, name); got != want {
			t.Errorf("%q and %q: got %t, want %t", pattern, name, got, want)
		}
	})
}

// matches is the definition: row[j] tells whether the pattern so far matches
// name[:j].
func matches(pattern, name string) bool {
	row := make([]bool, len(name)+1)
	row[0] = true
	for len(pattern) > 0 {
		next := make([]bool, len(name)+1)
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = strings.TrimLeft(pattern, "*")
			reached := false
			for j := range row {
				reached = reached || row[j]
				next[j] = reached
			}
		case pattern[0] == '*':
			pattern = pattern[1:]
			for j := range row {
				next[j] = row[j] || j > 0 && next[j-1] && name[j-1] != '/'
			}
		default:
			for j := 1; j <= len(name); j++ {
				next[j] = row[j-1] && name[j-1] == pattern[0]
			}
			pattern = pattern[1:]
		}
		row = next
	}
	return row[len(name)]
}
