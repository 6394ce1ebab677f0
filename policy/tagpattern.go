package policy

import (
	"fmt"
	"strings"
)

// tagPattern is a pattern of tags, in which "*" stands for any part of a tag,
// also none. All else stands for itself.
type tagPattern string

// parseTagPattern fails where there are letters in a text that no tag has.
func parseTagPattern(text string) (tagPattern, error) {
	bad := strings.ContainsFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._-*", c)
	})
	if text == "" || bad {
		return "", fmt.Errorf("%q is not a pattern of tags", text)
	}
	return tagPattern(text), nil
}

// match reports whether a tag matches. It takes at most the product of the
// lengths of steps.
func (p tagPattern) match(tag string) bool {
	pattern := string(p)
	// Where to go on after the last "*", and from where in the tag.
	at, star, starAt := 0, -1, 0
	for n := 0; n < len(tag); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, starAt = at, n
			at++
		case at < len(pattern) && pattern[at] == tag[n]:
			at++
			n++
		case star >= 0:
			starAt++
			at, n = star+1, starAt
		default:
			return false
		}
	}
	return strings.Trim(pattern[at:], "*") == ""
}
