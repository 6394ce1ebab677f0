package policy

import (
	"fmt"
	"slices"
	"time"
)

// RetentionRule says what becomes of the referrers that it selects: what it keeps
// of them stays, the others go.
type RetentionRule struct {
	// Name is the rule's own among all rules of retention.
	Name string
	// Repositories are patterns: see [oci.Glob].
	Repositories []string
	// Selects returns what tells, at a time, whether a referrer is selected by its
	// artifact type and annotations; nil selects all. Selection is the text that it
	// was made from, by which [Retention.Same] compares.
	Selects   func(now time.Time) func(artifactType string, annotations map[string]string) bool
	Selection string
	// SubjectGoneFor, unless 0, has the rule select only referrers whose subject has
	// been gone from the registry for longer.
	SubjectGoneFor time.Duration
	Keep           RetentionKeep
}

// RetentionKeep is what a rule keeps of the referrers that it selects: what any of
// its fields keeps. The zero value keeps none.
type RetentionKeep struct {
	All bool
	// Newest is how many are kept of those that have the same subject and artifact
	// type.
	Newest int
	// YoungerThan keeps those that were made less than that ago.
	YoungerThan time.Duration
}

// Retention is a set of rules. Nobody changes one; another one takes its place. It
// may be used concurrently.
//
// What the rules say of the manifests of a repository:
//
//  1. Rules are about referrers: manifests that have a subject. All others stay.
//  2. A rule selects a referrer by its repository, artifact type and annotations,
//     and where it has SubjectGoneFor, only if the subject has been gone for longer.
//     A subject that an image index lists is not gone, as long as that index, which
//     has no subject of its own, is there.
//  3. Of what it selects a rule keeps what its Keep says, and removes the rest.
//  4. A referrer is held where a rule keeps it, where a tag names it, where a locked
//     tag names it, where a manifest that stays lists it, and where it is the
//     subject of a referrer that is held.
//  5. What is held stays. Of the others, what a rule removes goes; what no rule
//     removes stays as long as its subject does, and goes with a subject that goes by
//     a rule.
//
// So nothing goes that something staying names, as its subject or in its list, and a
// rule never removes what another one keeps. What has gone from the registry by
// itself takes nothing along: only SubjectGoneFor is about that.
//
// No tag that holds, in 4, is a hidden tag ([oci.HiddenTag]) of the referrer that it
// is made of. No manifest that lists is a list of referrers, as clients and the
// mirror keep it under a referrers tag: an image index that has no subject, lists
// nothing but referrers of one and the same subject (what is not known of it says
// nothing), is listed by nothing that stays, and has no tag but the
// [oci.ReferrersTag] of that subject.
//
// All that goes is told by the name of a rule: the first of the rules that remove it,
// else that by which its subject goes.
type Retention struct {
	rules []retentionRule
}

// retentionRule is a rule whose patterns have been read.
type retentionRule struct {
	RetentionRule
	repositories

	// keepsOnly says that what the rule does not keep is left to others.
	keepsOnly bool
}

// NewRetention returns the set of rules. Errors name what can't be.
func NewRetention(rules []RetentionRule) (*Retention, error) {
	r := &Retention{}
	names := map[string]bool{}
	for i, given := range rules {
		rule := retentionRule{RetentionRule: given}
		at := func(format string, args ...any) error {
			return fmt.Errorf("rule %d (%q): %w", i+1, given.Name, fmt.Errorf(format, args...))
		}
		switch {
		case given.Name == "":
			return nil, at("needs a name")
		case names[given.Name]:
			return nil, at("another rule has this name")
		case len(given.Repositories) == 0:
			return nil, at("names no repositories")
		case given.Keep.Newest < 0 || given.Keep.YoungerThan < 0 || given.SubjectGoneFor < 0:
			return nil, at("has a number below 0")
		}
		names[given.Name] = true
		var err error
		if rule.repositories, err = parseRepositories(given.Repositories); err != nil {
			return nil, at("%w", err)
		}
		r.rules = append(r.rules, rule)
	}
	return r, nil
}

// Names returns the names of the rules, in their order.
func (r *Retention) Names() []string {
	var names []string
	for _, rule := range r.all() {
		names = append(names, rule.Name)
	}
	return names
}

// Only returns the set without the removals of all rules but the named one: what
// another rule keeps is kept. It is nil where there is no such rule.
func (r *Retention) Only(name string) *Retention {
	only := &Retention{rules: slices.Clone(r.all())}
	named := false
	for i := range only.rules {
		if only.rules[i].Name == name {
			named = true
			continue
		}
		only.rules[i].keepsOnly = true
	}
	if !named {
		return nil
	}
	return only
}

// Same tells whether two sets say the same.
func (r *Retention) Same(other *Retention) bool {
	return slices.EqualFunc(r.all(), other.all(), func(a, b retentionRule) bool {
		return a.Name == b.Name && slices.Equal(a.Repositories, b.Repositories) && a.Selection == b.Selection &&
			a.SubjectGoneFor == b.SubjectGoneFor && a.Keep == b.Keep && a.keepsOnly == b.keepsOnly
	})
}

// Concerns tells whether a rule is about a repository.
func (r *Retention) Concerns(repository string) bool {
	return slices.ContainsFunc(r.all(), func(rule retentionRule) bool { return rule.covers(repository) })
}

// AsksForSubjects tells whether a rule about a repository wants to know since when
// subjects are gone.
func (r *Retention) AsksForSubjects(repository string) bool {
	return slices.ContainsFunc(r.all(), func(rule retentionRule) bool { return rule.SubjectGoneFor > 0 && rule.covers(repository) })
}

// all returns the rules; none of a nil set.
func (r *Retention) all() []retentionRule {
	if r == nil {
		return nil
	}
	return r.rules
}
