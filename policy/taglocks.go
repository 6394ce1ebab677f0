package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/backref/backref/oci"
)

// VersionClass is a class of tags that are versions. A version is a semantic
// version with all of its three numbers; a v before it is allowed, and since no
// tag has a "+", "_" stands for that. So "1" and "1.2" are none: by custom these
// are moved to the newest release.
type VersionClass string

// The classes of versions. The empty one is NoVersions.
const (
	NoVersions VersionClass = "none"
	// Releases are the versions without a pre-release: v1.2.3, not v1.2.3-rc.1.
	Releases VersionClass = "releases"
	// Prereleases are those with one. That of "3.19.0-alpine" is one too.
	Prereleases VersionClass = "prereleases"
	AllVersions VersionClass = "all"
)

// TagLock makes tags immutable: from its first push a tag stays what it is.
type TagLock struct {
	// Name is that of the rule.
	Name string
	// Repositories are patterns: see [oci.Glob].
	Repositories []string
	// Tags are patterns of the tags that are locked, in which "*" stands for any
	// part; Versions locks tags beside these.
	Tags     []string
	Versions VersionClass
	// Except are patterns of tags that are not locked by this rule.
	Except []string
	// Until is when the lock ends; the zero Time for never.
	Until time.Time
}

// TagLocks are the rules that make tags immutable. Each of them locks; there is
// none that unlocks what another has locked. The zero value locks nothing. It may
// be used concurrently.
//
// The tags under which signatures and referrers are kept (referrers tags, and
// those of cosign) are locked only by a pattern that names their kind itself, as
// "sha256-*" does: else nobody who keeps signatures so could sign what is locked.
// Hidden tags, which are backref's own, are never locked.
type TagLocks struct {
	rules []tagLock
}

// tagLock is a TagLock whose patterns have been read.
type tagLock struct {
	TagLock
	repositories

	tags, except []tagPattern
}

// NewTagLocks returns the set of rules, which have names of their own. Errors
// name the rule.
func NewTagLocks(rules []TagLock) (TagLocks, error) {
	var locks TagLocks
	names := map[string]bool{}
	for i, given := range rules {
		if given.Name == "" {
			return TagLocks{}, fmt.Errorf("rule %d: has no name", i+1)
		}
		if names[given.Name] {
			return TagLocks{}, fmt.Errorf("rule %q: another rule has this name", given.Name)
		}
		names[given.Name] = true
		checked, err := newTagLock(given)
		if err != nil {
			return TagLocks{}, fmt.Errorf("rule %q: %w", given.Name, err)
		}
		locks.rules = append(locks.rules, checked)
	}
	return locks, nil
}

func newTagLock(given TagLock) (tagLock, error) {
	checked := tagLock{TagLock: given}
	switch {
	case len(given.Repositories) == 0:
		return checked, errors.New("names no repositories")
	case !slices.Contains([]VersionClass{"", NoVersions, Releases, Prereleases, AllVersions}, given.Versions):
		return checked, fmt.Errorf("versions %q is no class of versions", given.Versions)
	case len(given.Tags) == 0 && (given.Versions == "" || given.Versions == NoVersions):
		return checked, errors.New("locks nothing: set tags or versions")
	}
	var err error
	if checked.repositories, err = parseRepositories(given.Repositories); err != nil {
		return checked, err
	}
	if checked.tags, err = parseTagPatterns(given.Tags); err != nil {
		return checked, err
	}
	checked.except, err = parseTagPatterns(given.Except)
	return checked, err
}

func parseTagPatterns(texts []string) ([]tagPattern, error) {
	patterns := make([]tagPattern, 0, len(texts))
	for _, text := range texts {
		pattern, err := parseTagPattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}

// Decide tells whether a tag of a repository is locked at a time, whether or not
// it is there: Denied says that what it stands for must stay, by the first of the
// rules that say so.
func (l TagLocks) Decide(repository, tag string, now time.Time) Decision {
	for _, rule := range l.rules {
		if rule.holds(now) && rule.covers(repository) && rule.locks(tag) {
			return Decision{Denied: true, Rule: rule.Name, Reason: rule.reason()}
		}
	}
	return Decision{}
}

// In tells whether there may be locked tags in a repository at a time, and names
// the first rule by which there may.
func (l TagLocks) In(repository string, now time.Time) (rule string, in bool) {
	for _, rule := range l.rules {
		if rule.holds(now) && rule.covers(repository) {
			return rule.Name, true
		}
	}
	return "", false
}

func (l tagLock) reason() string {
	reason := "locked tags stay what they are"
	if !l.Until.IsZero() {
		reason += " until " + l.Until.UTC().Format(time.RFC3339)
	}
	return reason
}

func (l tagLock) holds(now time.Time) bool {
	return l.Until.IsZero() || now.Before(l.Until)
}

func (l tagLock) locks(tag string) bool {
	if oci.IsOwnTag(tag) || matchesAny(l.except, tag) {
		return false
	}
	patterns := l.tags
	if kind := keptTagKind(tag); kind != "" {
		patterns = slices.DeleteFunc(slices.Clone(patterns), func(p tagPattern) bool { return !strings.HasPrefix(string(p), kind) })
	}
	return matchesAny(patterns, tag) || l.Versions.has(tag)
}

// keptTagKind returns what a tag begins with under which signatures or referrers
// are kept, such as "sha256-"; empty for any other tag.
func keptTagKind(tag string) string {
	if !oci.IsReferrersTag(tag) && !oci.IsCosignTag(tag) {
		return ""
	}
	algorithm, _, _ := strings.Cut(tag, "-")
	return algorithm + "-"
}

func matchesAny(patterns []tagPattern, tag string) bool {
	return slices.ContainsFunc(patterns, func(p tagPattern) bool { return p.match(tag) })
}

// has tells whether a tag is a version of the class.
func (c VersionClass) has(tag string) bool {
	if c == "" || c == NoVersions {
		return false
	}
	version, err := semver.StrictNewVersion(strings.Replace(strings.TrimPrefix(tag, "v"), "_", "+", 1))
	if err != nil {
		return false
	}
	return c == AllVersions || (version.Prerelease() == "") == (c == Releases)
}
