package policy_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/policy"
)

func TestAccess(t *testing.T) {
	access, err := policy.NewAccess([]policy.Rule{
		{Repositories: []string{"public/**"}, Anonymous: true, Allow: []policy.Action{policy.Pull}},
		{Repositories: []string{"team/*"}, Groups: []string{"team"}, Allow: []policy.Action{policy.Pull, policy.Push}},
		{Repositories: []string{"team/app"}, Users: []string{"ann"}, Allow: []policy.Action{policy.Delete}},
		{Repositories: []string{"inbox"}, Users: []string{policy.Everyone}, Allow: []policy.Action{policy.Push}},
		{Repositories: []string{"own/**"}, Users: []string{"ann"}, Allow: []policy.Action{policy.Admin}},
		{Repositories: []string{"**"}, Users: []string{"root"}, Allow: []policy.Action{policy.Admin}},
	})
	if err != nil {
		t.Fatal(err)
	}
	nobody, bob := policy.Client{}, policy.Client{User: "bob"}
	ann := policy.Client{User: "ann", Groups: []string{"other", "team"}}
	root := policy.Client{User: "root"}
	for _, c := range []struct {
		client     policy.Client
		repository string
		allowed    string // of "pull push delete admin"
		sees       bool
	}{
		{nobody, "public/a/b", "pull", true},
		{nobody, "public", "", false},
		{nobody, "team/app", "", false},
		{nobody, "inbox", "", false},
		{bob, "public/a", "pull", true},
		{bob, "team/app", "", false},
		{bob, "inbox", "push", true},
		{ann, "team/app", "pull push delete", true},
		{ann, "team/lib", "pull push", true},
		{ann, "team/lib/deep", "", false},
		{ann, "own/x", "pull push delete admin", true},
		{root, "any/thing", "pull push delete admin", true},
		// A name is not a user because a group is called so, nor the reverse.
		{policy.Client{User: "team"}, "team/app", "", false},
		{policy.Client{User: "x", Groups: []string{"root", "*"}}, "own/x", "", false},
		// Groups of someone who has not signed in count for nothing.
		{policy.Client{Groups: []string{"team"}}, "team/app", "", false},
	} {
		var allowed []string
		for _, action := range []policy.Action{policy.Pull, policy.Push, policy.Delete, policy.Admin} {
			if access.Allows(c.client, action, c.repository) {
				allowed = append(allowed, string(action))
			}
		}
		if got := strings.Join(allowed, " "); got != c.allowed {
			t.Errorf("%v in %s may %q, want %q", c.client, c.repository, got, c.allowed)
		}
		if got := access.Sees(c.client, c.repository); got != c.sees {
			t.Errorf("%v sees %s: %t", c.client, c.repository, got)
		}
	}
	if access.Administers(ann) || !access.Administers(root) || access.Administers(nobody) {
		t.Error("only root administers everything")
	}
}

func TestNothingIsAllowedByDefault(t *testing.T) {
	access, err := policy.NewAccess(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []policy.Client{{}, {User: "root", Groups: []string{"*"}}} {
		if access.Allows(client, policy.Pull, "a") || access.Sees(client, "a") || access.Administers(client) {
			t.Errorf("%v may do something", client)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a", "a/b", false}, {"a/*", "a/b", true}, {"a/*", "a/b/c", false},
		{"a/*", "a", false}, {"a/**", "a/b/c", true}, {"a/**", "a", false}, {"a**", "a/b", true}, {"*", "a", true},
		{"*", "a/b", false}, {"**", "a/b", true}, {"*/b", "a/b", true}, {"**/b", "a/x/b", true}, {"**/b", "b", false},
		{"a*c/*-x", "abc/y-x", true}, {"a*c/*-x", "ab/c/y-x", false}, {"***", "a/b", true}, {"a.b", "axb", false},
	} {
		access, err := policy.NewAccess([]policy.Rule{{Repositories: []string{c.pattern}, Anonymous: true, Allow: []policy.Action{policy.Pull}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := access.Allows(policy.Client{}, policy.Pull, c.name); got != c.want {
			t.Errorf("%s matches %s: %t", c.pattern, c.name, got)
		}
	}
	for _, pattern := range []string{"", "A", "a?", "[a]", "a b", "é"} {
		if _, err := policy.NewAccess([]policy.Rule{{Repositories: []string{pattern}}}); err == nil {
			t.Errorf("%q is taken for a pattern", pattern)
		}
	}
}
