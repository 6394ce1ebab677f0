package coverage

import (
	"fmt"
	"slices"
	"strings"
)

// ParsePlatforms reads platforms with commas between, or "each".
func ParsePlatforms(text string) (Platforms, error) {
	if text == eachPlatform {
		return Platforms{each: true}, nil
	}
	var p Platforms
	for name := range strings.SplitSeq(text, ",") {
		if !validPlatform(name) {
			return Platforms{}, fmt.Errorf("platform %q: need os/architecture[/variant], or each for all", name)
		}
		if !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
	}
	if len(p.names) > maxPlatforms {
		return Platforms{}, fmt.Errorf("need %d platforms at most", maxPlatforms)
	}
	return p, nil
}

func validPlatform(name string) bool {
	parts := strings.Split(name, "/")
	return (len(parts) == 2 || len(parts) == 3) && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.ContainsFunc(part, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c)
		})
	})
}

// None tells whether no image of an index is meant.
func (p Platforms) None() bool { return !p.each && len(p.names) == 0 }

// Names returns the platforms that are named; none for each.
func (p Platforms) Names() []string { return p.names }

// Has tells whether an image for a platform, os/architecture[/variant], is meant.
// Without a variant any is. One whose platform the index doesn't tell is meant by each.
func (p Platforms) Has(platform string) bool {
	return p.each || slices.ContainsFunc(p.names, func(name string) bool { return IsPlatform(platform, name) })
}

// IsPlatform tells whether a platform is the named one. Where the name has no
// variant any is.
func IsPlatform(platform, name string) bool {
	return platform == name || strings.HasPrefix(platform, name+"/") && strings.Count(name, "/") == 1
}
