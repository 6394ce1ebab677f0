package oci

import (
	"fmt"
	"strings"
)

// Glob is a pattern of names of repositories: "*" stands for any part of a name
// without a slash, also none, and "**" for any part with or without. The zero Glob
// matches nothing. It may be used concurrently.
//
// Here "own/**" is not "own", and "team**" goes on behind a slash: both decide
// what a rule hands out, and libraries of globs read them otherwise.
type Glob struct {
	pattern string
}

// ParseGlob returns the pattern that a text is. It fails where there are letters
// in it that no name of a repository has.
func ParseGlob(text string) (Glob, error) {
	bad := strings.IndexFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-/*", c)
	})
	if text == "" || bad >= 0 {
		return Glob{}, fmt.Errorf("%q is not a pattern of repository names", text)
	}
	return Glob{text}, nil
}

// String returns the pattern as it was given.
func (g Glob) String() string { return g.pattern }

// Everything tells whether the pattern is "**", which matches every name.
func (g Glob) Everything() bool { return g.pattern == "**" }

// Match reports whether a name matches. It takes no memory, and at most the
// product of the lengths, times that of the name, of steps.
func (g Glob) Match(name string) bool {
	pattern := g.pattern
	if pattern == "" {
		return false
	}
	// Where to go on after the last "*" and the last "**", and from where in the
	// name; -1 where there is none to fall back on.
	p, n := 0, 0
	star, starAt := -1, 0
	stars, starsAt := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			from := p
			for p < len(pattern) && pattern[p] == '*' {
				p++
			}
			if p-from > 1 {
				// What "*" before it stood for is settled.
				stars, starsAt, star = p, n, -1
			} else {
				star, starAt = p, n
			}
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0 && name[starAt] != '/':
			starAt++
			p, n = star, starAt
		case stars >= 0:
			starsAt++
			p, n, star = stars, starsAt, -1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
