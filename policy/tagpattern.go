package policy

import (
	"fmt"
	"strings"

	"github.com/backref/backref/oci"
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

// match reports whether a tag matches. No pattern has the ? of [oci.MatchGlob].
func (p tagPattern) match(tag string) bool { return oci.MatchGlob(string(p), tag) }
