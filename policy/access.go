package policy

import (
	"fmt"
	"slices"
	"strings"
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

// Rule lets the clients that it is for do what it allows in the repositories
// that match one of its patterns. It is for the users and the members of the
// groups that it names, and for everyone where Anonymous is set.
type Rule struct {
	// Repositories are patterns: "*" stands for any part of a name without a
	// slash, "**" for any part.
	Repositories []string
	Users        []string
	Groups       []string
	Anonymous    bool
	Allow        []Action
}

// Access is a set of rules. Rules add up; there is none that takes away.
type Access struct {
	rules []Rule
}

// NewAccess returns the set of rules. Errors name what can never match.
func NewAccess(rules []Rule) (*Access, error) {
	for i, rule := range rules {
		for _, pattern := range rule.Repositories {
			if err := checkPattern(pattern); err != nil {
				return nil, fmt.Errorf("rule %d: %w", i+1, err)
			}
		}
		for _, action := range rule.Allow {
			if !slices.Contains([]Action{Pull, Push, Delete, Admin}, action) {
				return nil, fmt.Errorf("rule %d: unknown action %q", i+1, action)
			}
		}
	}
	return &Access{rules}, nil
}

// checkPattern refuses letters that no repository name has.
func checkPattern(pattern string) error {
	bad := strings.IndexFunc(pattern, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-/*", c)
	})
	if pattern == "" || bad >= 0 {
		return fmt.Errorf("%q is not a pattern of repository names", pattern)
	}
	return nil
}

// Allows tells whether the client may do something in a repository.
func (a *Access) Allows(client Client, action Action, repository string) bool {
	return slices.ContainsFunc(a.rules, func(rule Rule) bool {
		return rule.includes(client) && rule.allows(action) && rule.covers(repository)
	})
}

// Sees tells whether the client may do anything at all in a repository. To
// one that does not see it, it must look as if it didn't exist.
func (a *Access) Sees(client Client, repository string) bool {
	return slices.ContainsFunc(a.rules, func(rule Rule) bool {
		return len(rule.Allow) > 0 && rule.includes(client) && rule.covers(repository)
	})
}

// Administers tells whether the client has the right to everything: what is
// not in one repository is for such clients alone.
func (a *Access) Administers(client Client) bool {
	return slices.ContainsFunc(a.rules, func(rule Rule) bool {
		return slices.Contains(rule.Repositories, "**") && slices.Contains(rule.Allow, Admin) && rule.includes(client)
	})
}

func (r Rule) includes(client Client) bool {
	if r.Anonymous {
		return true
	}
	if client.Anonymous() {
		return false
	}
	return slices.Contains(r.Users, Everyone) || slices.Contains(r.Users, client.User) ||
		slices.ContainsFunc(client.Groups, func(group string) bool { return slices.Contains(r.Groups, group) })
}

func (r Rule) allows(action Action) bool {
	return slices.Contains(r.Allow, action) || slices.Contains(r.Allow, Admin)
}

func (r Rule) covers(repository string) bool {
	return slices.ContainsFunc(r.Repositories, func(pattern string) bool { return match(pattern, repository) })
}

// match reports whether a name matches a pattern, in a time bounded by the
// product of their lengths.
func match(pattern, name string) bool {
	// row[j] tells whether the pattern so far matches name[:j].
	row := make([]bool, len(name)+1)
	row[0] = true
	for len(pattern) > 0 {
		next := make([]bool, len(name)+1)
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = strings.TrimLeft(pattern, "*")
			reached := false
			for j := range row {
				reached = reached || row[j]
				next[j] = reached
			}
		case pattern[0] == '*':
			pattern = pattern[1:]
			for j := range row {
				next[j] = row[j] || j > 0 && next[j-1] && name[j-1] != '/'
			}
		default:
			for j := 1; j <= len(name); j++ {
				next[j] = row[j-1] && name[j-1] == pattern[0]
			}
			pattern = pattern[1:]
		}
		row = next
	}
	return row[len(name)]
}
