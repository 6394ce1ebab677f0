package oci_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/oci"
)

func TestMatchGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/bc", false},
		{"a/b", "a", false},
		{"", "", true},
		{"*", "", true},
		{"*", "application/x", true},
		{"application/vnd.*+json", "application/vnd.in-toto+json", true},
		{"application/vnd.*+json", "application/vnd.in-toto+xml", false},
		{"*sbom*", "application/sbom", true},
		{"*/*", "a", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"*a*b", "aXbXb", true},
		{"**", "x", true},
		{"?", "", false},
		{"*ab", "aab", true},
		{strings.Repeat("a*", 500) + "b", strings.Repeat("a", 1000), false},
	} {
		if got := oci.MatchGlob(c.pattern, c.text); got != c.want {
			t.Errorf("%.20q on %.20q: got %v", c.pattern, c.text, got)
		}
	}
}
