package registry

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzEntityTags checks that a condition that is accepted holds for exactly
// the digests that stand in it.
func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{`*`, `"` + someDigest + `"`, `W/"a", "b"`, `"a",,"b" ,`, `"`, `"a"b`, `W/`, "\"a\tb\"", `"*"`} {
		f.Add(seed, someDigest)
	}
	f.Fuzz(func(t *testing.T, line, current string) {
		tags, err := parseEntityTags([]string{line})
		if err != nil {
			return
		}
		has := tags.has(digest.Digest(current), true)
		if has && !tags.any && !strings.Contains(line, `"`+current+`"`) {
			t.Errorf("%q holds for %q", line, current)
		}
		if tags.has(digest.Digest(current), false) && !has {
			t.Errorf("%q holds strongly but not weakly for %q", line, current)
		}
		if tags.has("", true) {
			t.Errorf("%q holds where there is nothing", line)
		}
	})
}
