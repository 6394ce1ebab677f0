package postgres_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/test/rig"
)

// versions are the oldest and the newest that are installed.
func versions(t *testing.T) []int {
	t.Helper()
	all, err := rig.PostgresVersions()
	must(t, err)
	if len(all) < 2 {
		t.Fatalf("versions %v are installed: run test/tools test", all)
	}
	return []int{all[0], all[len(all)-1]}
}

// The store is one in the oldest and in the newest version, each of which has
// its own plans, messages and settings. test/postgres passes all tests in all
// versions.
func TestStoreInEveryVersion(t *testing.T) {
	for _, version := range versions(t) {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			setChecks(t, "1")
			url := rig.NewPostgresVersion(t, version, false).URL
			indextest.RunStories(t, func(t *testing.T) index.Store {
				return mustOpen(t, postgres.Options{URL: url, Schema: "test " + rand.Text(), Connections: 8})
			})
		})
	}
}
