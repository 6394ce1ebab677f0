package postgres_test

import (
	"crypto/rand"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
)

func TestStore(t *testing.T) {
	fewerHistories(t)
	indextest.Run(t, func(t *testing.T) index.Store { return place(t)() })
}

func TestStoreDurable(t *testing.T) {
	fewerHistories(t)
	indextest.RunDurable(t, place)
}

// fewerHistories has a test make an eighth of the random histories that are
// asked for: each step of one waits for the database. The rules are the same for
// every store, and the histories of the others are about them.
func fewerHistories(t *testing.T) {
	t.Helper()
	number, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	must(t, err)
	setChecks(t, strconv.Itoa(max(1, number/8)))
}

// setChecks has a test make so many random histories.
func setChecks(t *testing.T, number string) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	must(t, checks.Value.Set(number))
	t.Cleanup(func() { must(t, checks.Value.Set(before)) })
}

// place returns what opens the store of a schema of its own.
func place(t *testing.T) func() index.Store {
	options := newOptions()
	return func() index.Store { return mustOpen(t, options) }
}

// newOptions names a schema that there is not yet.
func newOptions() postgres.Options {
	return postgres.Options{URL: os.Getenv(serverVariable), Schema: "test " + rand.Text(), Connections: 8}
}

func mustOpen(t testing.TB, options postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), options)
	must(t, err)
	return store
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
