package registry

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// preconditions are what a push may depend on (RFC 9110, section 13.1): the
// manifest that its tag stands for before. Registries state a manifest's
// digest, in quotes, as its entity tag.
type preconditions struct {
	match, noneMatch *entityTags
}

// entityTags is the value of If-Match or If-None-Match.
type entityTags struct {
	// any is "*": whatever there is.
	any  bool
	tags []entityTag
}

type entityTag struct {
	weak   bool
	opaque string
}

// parseConditions reads the conditions of a request. One that can't be read
// is an error: to write without it is what the client wanted to avoid.
func parseConditions(header http.Header) (preconditions, error) {
	match, err := parseEntityTags(header["If-Match"])
	if err != nil {
		return preconditions{}, oci.BadRequest(oci.CodeUnsupported, `If-Match can't be read: give "*" or digests in double quotes`)
	}
	noneMatch, err := parseEntityTags(header["If-None-Match"])
	if err != nil {
		return preconditions{}, oci.BadRequest(oci.CodeUnsupported, `If-None-Match can't be read: give "*" or digests in double quotes`)
	}
	return preconditions{match, noneMatch}, nil
}

// given tells whether there is a condition.
func (c preconditions) given() bool {
	return c.match != nil || c.noneMatch != nil
}

// hold tells whether the push may replace what the tag stands for, which is
// empty where there is no such tag. If-Match compares strongly, If-None-Match
// weakly.
func (c preconditions) hold(current digest.Digest) bool {
	if c.match != nil && !c.match.has(current, false) {
		return false
	}
	return c.noneMatch == nil || !c.noneMatch.has(current, true)
}

// has tells whether the list names what is there.
func (e *entityTags) has(current digest.Digest, weakly bool) bool {
	if current == "" {
		return false
	}
	return e.any || slices.ContainsFunc(e.tags, func(tag entityTag) bool {
		return tag.opaque == current.String() && (weakly || !tag.weak)
	})
}

var errEntityTags = errors.New("not a list of entity tags")

// parseEntityTags reads "*" or a list of entity tags; nil where there is no
// such header.
func parseEntityTags(lines []string) (*entityTags, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	const space = " \t"
	rest := strings.Trim(strings.Join(lines, ","), space)
	if rest == "*" {
		return &entityTags{any: true}, nil
	}
	list := &entityTags{}
	for {
		// Lists may have empty elements.
		if rest = strings.TrimLeft(rest, space+","); rest == "" {
			break
		}
		after, weak := strings.CutPrefix(rest, "W/")
		after, opened := strings.CutPrefix(after, `"`)
		opaque, after, closed := strings.Cut(after, `"`)
		if !opened || !closed || strings.ContainsFunc(opaque, notEntityTag) {
			return nil, errEntityTags
		}
		list.tags = append(list.tags, entityTag{weak, opaque})
		if rest = strings.TrimLeft(after, space); rest != "" && rest[0] != ',' {
			return nil, errEntityTags
		}
	}
	if len(list.tags) == 0 {
		return nil, errEntityTags
	}
	return list, nil
}

func notEntityTag(c rune) bool {
	return c <= ' ' || c == 0x7f
}
