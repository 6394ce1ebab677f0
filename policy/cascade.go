package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// CascadeRule has the referrers of a manifest go with it, in the repositories that
// match one of its patterns.
type CascadeRule struct {
	Name string
	// Repositories are patterns: see [oci.Glob].
	Repositories []string
	// ArtifactTypes are patterns of the types of the referrers that go, each with
	// all that refers to it; none is all.
	ArtifactTypes []string
	// LastTag says that the rule counts too where the last tag of a manifest is
	// deleted, and not only where the manifest is.
	LastTag bool
}

// Cascades are the rules of what goes with a manifest. The zero value has none.
type Cascades struct {
	rules []cascadeRule
}

type cascadeRule struct {
	CascadeRule
	repositories

	types Types
}

// NewCascades reads rules. Errors name the rule.
func NewCascades(rules []CascadeRule) (*Cascades, error) {
	c := &Cascades{}
	for _, given := range rules {
		checked := cascadeRule{CascadeRule: given}
		var err error
		if checked.repositories, err = parseRepositories(given.Repositories); err == nil {
			checked.types, err = NewTypes(given.ArtifactTypes)
		}
		switch {
		case given.Name == "":
			return nil, errors.New("a rule has no name")
		case err != nil:
			return nil, fmt.Errorf("rule %s: %w", given.Name, err)
		case slices.ContainsFunc(c.rules, func(other cascadeRule) bool { return other.Name == given.Name }):
			return nil, fmt.Errorf("two rules are named %s", given.Name)
		}
		c.rules = append(c.rules, checked)
	}
	return c, nil
}

// For returns what of the referrers of a manifest goes with it: the types, and the
// name of the rule that says so, the first that is for the repository. untagged
// says that it is the last tag of the manifest that is deleted. It is false where
// no rule is.
func (c *Cascades) For(repository string, untagged bool) (types Types, rule string, found bool) {
	if c == nil {
		return Types{}, "", false
	}
	for _, rule := range c.rules {
		if rule.covers(repository) && (rule.LastTag || !untagged) {
			return rule.types, rule.Name, true
		}
	}
	return Types{}, "", false
}

// Member is a manifest that may go with another: a referrer of it, of one of its
// referrers, and so on.
type Member struct {
	Digest digest.Digest
	// Subject is what it refers to.
	Subject      digest.Digest
	ArtifactType string
	// Tag is a tag that names it; empty for none. A hidden tag is none.
	Tag string
	// ListedBy are the image indexes that list it; an index that is no more than a
	// list of referrers is none.
	ListedBy []digest.Digest
	// Lists are what it lists, if it is an image index.
	Lists []digest.Digest
}

// Kept is a member that stays, and why.
type Kept struct {
	Member
	// Reason is why, in words that follow "because".
	Reason string
}

// PlanCascade decides what goes with a manifest. members are all its direct and
// indirect referrers, each after its subject. Of the direct referrers those go
// whose type is among types, each with its own referrers, unless something holds
// them: a tag, an image index that stays, or a referrer of theirs that stays. What
// stays keeps its referrers.
//
// gone are those that go, in an order in which each comes before its subject, and
// kept the others, in the order of members.
func PlanCascade(root digest.Digest, types Types, members []Member) (gone []Member, kept []Kept) {
	plan := cascadePlan{root: root, at: make(map[digest.Digest]int, len(members)), members: members, reasons: make([]string, len(members))}
	for i, member := range members {
		plan.at[member.Digest] = i
	}
	for i, member := range members {
		if member.Subject == root && !types.Match(member.ArtifactType) {
			plan.keep(i, "its type was not asked for")
		}
	}
	for i, member := range members {
		if member.Tag != "" {
			plan.keep(i, "tag "+member.Tag+" names it")
		}
		for _, lister := range member.ListedBy {
			if at, isMember := plan.at[lister]; lister != root && (!isMember || plan.reasons[at] != "") {
				plan.keep(i, "image index "+lister.String()+" lists it")
			}
		}
	}
	for i := range members {
		if plan.reasons[i] != "" {
			kept = append(kept, Kept{members[i], plan.reasons[i]})
		} else {
			gone = append(gone, members[i])
		}
	}
	slices.Reverse(gone)
	return gone, kept
}

// cascadePlan has why members stay; empty while nothing says that they do.
type cascadePlan struct {
	root    digest.Digest
	at      map[digest.Digest]int
	members []Member
	reasons []string
}

// keep has a member stay, and all that follows from it.
func (p *cascadePlan) keep(i int, reason string) {
	if p.reasons[i] != "" {
		return
	}
	p.reasons[i] = reason
	member := &p.members[i]
	if subject, isMember := p.at[member.Subject]; isMember {
		p.keep(subject, "its referrer "+member.Digest.String()+" stays")
	}
	for _, listed := range member.Lists {
		if at, isMember := p.at[listed]; isMember {
			p.keep(at, "image index "+member.Digest.String()+" lists it")
		}
	}
	for at := range p.members {
		if p.members[at].Subject == member.Digest {
			p.keep(at, "its subject "+member.Digest.String()+" stays")
		}
	}
}
