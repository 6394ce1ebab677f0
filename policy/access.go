package policy

import (
	"fmt"
	"slices"

	"github.com/backref/backref/oci"
)

// Action is something that a client does in a repository.
type Action string

// The actions that a rule can allow. Admin includes the others.
const (
	Pull   Action = "pull"
	Push   Action = "push"
	Delete Action = "delete"
	Admin  Action = "admin"
)

// Everyone stands among the users of a rule for all who have signed in.
const Everyone = "*"

// Client is who asks. The zero value is anonymous.
type Client struct {
	User   string
	Groups []string
}

// Anonymous tells whether the client has not signed in.
func (c Client) Anonymous() bool {
	return c.User == ""
}

// among tells whether a client that has signed in is one of some users, or in one of
// some groups.
func (c Client) among(users, groups []string) bool {
	return slices.Contains(users, Everyone) || slices.Contains(users, c.User) ||
		slices.ContainsFunc(c.Groups, func(group string) bool { return slices.Contains(groups, group) })
}

// Rule lets the clients that it is for do what it allows in the repositories
// that match one of its patterns. It is for the users and the members of the
// groups that it names, and for everyone where Anonymous is set.
type Rule struct {
	// Repositories are patterns: see [oci.Glob].
	Repositories []string
	Users        []string
	Groups       []string
	Anonymous    bool
	Allow        []Action
}

// Access is a set of rules. Rules add up; there is none that takes away.
type Access struct {
	rules []rule
}

// rule is a Rule whose patterns have been read.
type rule struct {
	Rule
	repositories
}

// NewAccess returns the set of rules. Errors name what can never match.
func NewAccess(rules []Rule) (*Access, error) {
	a := &Access{}
	for i, given := range rules {
		checked := rule{Rule: given}
		var err error
		if checked.repositories, err = parseRepositories(given.Repositories); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		for _, action := range given.Allow {
			if !slices.Contains([]Action{Pull, Push, Delete, Admin}, action) {
				return nil, fmt.Errorf("rule %d: unknown action %q", i+1, action)
			}
		}
		a.rules = append(a.rules, checked)
	}
	return a, nil
}

// Allows tells whether the client may do something in a repository.
func (a *Access) Allows(client Client, action Action, repository string) bool {
	return slices.ContainsFunc(a.rules, func(rule rule) bool {
		return rule.includes(client) && rule.allows(action) && rule.covers(repository)
	})
}

// AllowsSomewhere tells whether there may be a repository in which the client may do
// something.
func (a *Access) AllowsSomewhere(client Client, action Action) bool {
	return slices.ContainsFunc(a.rules, func(rule rule) bool { return rule.includes(client) && rule.allows(action) })
}

// Sees tells whether the client may do anything at all in a repository. To
// one that does not see it, it must look as if it didn't exist.
func (a *Access) Sees(client Client, repository string) bool {
	return slices.ContainsFunc(a.rules, func(rule rule) bool {
		return len(rule.Allow) > 0 && rule.includes(client) && rule.covers(repository)
	})
}

// Administers tells whether the client has the right to everything: what is
// not in one repository is for such clients alone.
func (a *Access) Administers(client Client) bool {
	return slices.ContainsFunc(a.rules, func(rule rule) bool {
		return slices.ContainsFunc(rule.repositories, oci.Glob.Everything) && slices.Contains(rule.Allow, Admin) && rule.includes(client)
	})
}

func (r Rule) includes(client Client) bool {
	if r.Anonymous {
		return true
	}
	if client.Anonymous() {
		return false
	}
	return client.among(r.Users, r.Groups)
}

func (r Rule) allows(action Action) bool {
	return slices.Contains(r.Allow, action) || slices.Contains(r.Allow, Admin)
}
