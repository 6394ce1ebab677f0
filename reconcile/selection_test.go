package reconcile

import "testing"

func TestSelection(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		name     string
		want     bool
	}{
		{nil, "team/app", true},
		{[]string{"team/app"}, "team/app", true},
		{[]string{"team/*"}, "team/app", true},
		{[]string{"team/*"}, "team/a/b", false},
		{[]string{"team/**"}, "team/a/b", true},
		{[]string{"other", "te*/a*"}, "team/app", true},
		{[]string{"team"}, "team/app", false},
	} {
		if got := (Options{Repositories: c.patterns}).selects(c.name); got != c.want {
			t.Errorf("%q of %s: %v", c.patterns, c.name, got)
		}
	}
	for _, wrong := range []string{"", "team/[", "team/a?", "Team"} {
		if (Options{Repositories: []string{wrong}}).Check() == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
