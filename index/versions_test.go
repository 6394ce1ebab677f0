package index_test

import (
	"testing"

	"github.com/backref/backref/index"
)

func TestVersions(t *testing.T) {
	versions := index.NewVersions()
	seen := map[uint64]bool{}
	for _, change := range []func(){
		func() {},
		func() { versions.Changed("a", "b") },
		versions.AllChanged,
		func() { versions.Changed("a", "b") },
	} {
		change()
		version := versions.Of("a", "b")
		if seen[version] || version != versions.Of("a", "b") {
			t.Errorf("version %d was there before, or does not stay", version)
		}
		seen[version] = true
	}
	// The two words are not one.
	before := versions.Of("b", "a")
	versions.Changed("a", "b")
	if versions.Of("b", "a") != before {
		t.Error("the order of the words does not count")
	}
}
