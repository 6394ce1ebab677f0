package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/policy"
)

func TestTagLocks(t *testing.T) {
	until := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	locks, err := policy.NewTagLocks([]policy.TagLock{
		{Name: "releases", Repositories: []string{"team/**"}, Versions: policy.Releases, Except: []string{"v0.*", "*-wip"}},
		{Name: "prereleases", Repositories: []string{"pre"}, Versions: policy.Prereleases},
		{Name: "all versions", Repositories: []string{"versions"}, Versions: policy.AllVersions, Tags: []string{"stable"}},
		{Name: "frozen", Repositories: []string{"team/old", "old/*"}, Tags: []string{"*"}, Until: until},
		{Name: "signatures", Repositories: []string{"signed"}, Tags: []string{"sha256-*", "v*"}},
		{Name: "parts", Repositories: []string{"parts"}, Tags: []string{"a*b*c", "X.*"}, Versions: policy.NoVersions},
	})
	if err != nil {
		t.Fatal(err)
	}
	hex := strings.Repeat("0a", 32)
	for _, c := range []struct{ repository, tag, rule string }{
		{"team/app", "1.2.3", "releases"},
		{"team/app", "v1.2.3", "releases"},
		{"team/app", "v1.2.3_build.5", "releases"},
		{"team/app", "v1.2.3-rc.1", ""},
		// By custom these are moved.
		{"team/app", "1.2", ""},
		{"team/app", "v1", ""},
		{"team/app", "latest", ""},
		{"team/app", "vv1.2.3", ""},
		{"team/app", "V1.2.3", ""},
		{"team/app", "01.2.3", ""},
		{"team/app", "v0.9.1", ""},
		{"team", "1.2.3", ""},
		{"other", "1.2.3", ""},
		{"pre", "1.2.3-rc.1", "prereleases"},
		{"pre", "3.19.0-alpine", "prereleases"},
		{"pre", "1.2.3", ""},
		{"versions", "1.2.3-rc.1", "all versions"},
		{"versions", "1.2.3", "all versions"},
		{"versions", "stable", "all versions"},
		{"versions", "stable2", ""},
		// What one rule excepts another may lock; the first that locks is named.
		{"team/old", "v0.9.1", "frozen"},
		{"team/old", "1.2.3", "releases"},
		{"old/x", "anything", "frozen"},
		{"old/x/y", "anything", ""},
		// Those who keep signatures by tags go on, unless these are meant.
		{"old/x", "sha256-" + hex, ""},
		{"old/x", "sha256-" + hex + ".sig", ""},
		{"old/x", "sha256-" + hex + ".att", ""},
		{"old/x", "sha512-" + hex, ""},
		{"old/x", "sha256-" + hex + ".other", "frozen"},
		{"old/x", "sha256-short", "frozen"},
		{"signed", "sha256-" + hex, "signatures"},
		{"signed", "sha256-" + hex + ".sig", "signatures"},
		{"signed", "sha512-" + hex, ""},
		// backref's own.
		{"signed", "sha256-" + hex + ".referrer", ""},
		{"parts", "abc", "parts"},
		{"parts", "a-b-b-c-c", "parts"},
		{"parts", "acb", ""},
		{"parts", "X.", "parts"},
		{"parts", "x.1", ""},
		{"parts", "Xa", ""},
	} {
		got := locks.Decide(c.repository, c.tag, until.Add(-time.Nanosecond))
		if got.Rule != c.rule || got.Denied != (c.rule != "") || got.Denied != strings.Contains(got.Reason, "stay") {
			t.Errorf("%s:%s: %+v, want rule %q", c.repository, c.tag, got, c.rule)
		}
	}
	if got := locks.Decide("old/x", "anything", until); got.Denied {
		t.Errorf("at the end of the lock: %+v", got)
	}
	if got := locks.Decide("old/x", "anything", until.Add(-1)); !strings.Contains(got.Reason, "until 2027-01-31T00:00:00Z") {
		t.Errorf("reason %q", got.Reason)
	}
	for repository, rule := range map[string]string{"team/old": "releases", "old/x": "", "pre": "prereleases", "other": ""} {
		if got, in := locks.In(repository, until); got != rule || in != (rule != "") {
			t.Errorf("%s: %q, %t", repository, got, in)
		}
	}
	if got := (policy.TagLocks{}).Decide("team/app", "1.2.3", until); got.Denied {
		t.Errorf("without rules: %+v", got)
	}
}

func TestTagLocksThatAreWrong(t *testing.T) {
	right := policy.TagLock{Name: "x", Repositories: []string{"**"}, Tags: []string{"v*"}}
	for want, wrong := range map[string]func(*policy.TagLock){
		`rule 1: has no name`:                              func(l *policy.TagLock) { l.Name = "" },
		`rule "x": names no repositories`:                  func(l *policy.TagLock) { l.Repositories = nil },
		`rule "x": "A" is not a pattern of repository`:     func(l *policy.TagLock) { l.Repositories = []string{"A"} },
		`rule "x": locks nothing`:                          func(l *policy.TagLock) { l.Tags, l.Versions = nil, "none" },
		`rule "x": "v[0-9]" is not a pattern of tags`:      func(l *policy.TagLock) { l.Tags = []string{"v[0-9]"} },
		`rule "x": "" is not a pattern of tags`:            func(l *policy.TagLock) { l.Except = []string{""} },
		`rule "x": versions "stable" is no class of versi`: func(l *policy.TagLock) { l.Versions = "stable" },
	} {
		lock := right
		wrong(&lock)
		if _, err := policy.NewTagLocks([]policy.TagLock{lock}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := policy.NewTagLocks([]policy.TagLock{right, right}); err == nil || !strings.Contains(err.Error(), "another rule has this name") {
		t.Errorf("the same name twice: %v", err)
	}
}
