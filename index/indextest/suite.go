package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

// story is a behaviour, told with a new store.
type story struct {
	name string
	tell func(t *testing.T, store index.Store)
}

// Run tests a store. Each call of open returns a new and empty one; Run closes
// it.
func Run(t *testing.T, open func(t *testing.T) index.Store) {
	runMeaning(t, open)
	t.Run("limits", func(t *testing.T) { run(t, open, limitStories()) })
	t.Run("concurrency", func(t *testing.T) { concurrency(t, open) })
}

// runMeaning tests what a store does with what it should be given.
func runMeaning(t *testing.T, open func(t *testing.T) index.Store) {
	t.Run("records", func(t *testing.T) { run(t, open, recordStories()) })
	t.Run("referrers", func(t *testing.T) { run(t, open, referrerStories()) })
	t.Run("parents", func(t *testing.T) { run(t, open, parentStories()) })
	t.Run("intents", func(t *testing.T) { run(t, open, intentStories()) })
	t.Run("settling", func(t *testing.T) { settling(t, open) })
	t.Run("marks", func(t *testing.T) { run(t, open, markStories()) })
	t.Run("paging", func(t *testing.T) { paging(t, open) })
	t.Run("histories", func(t *testing.T) {
		histories(t, false, func(t *testing.T) func() index.Store { return func() index.Store { return open(t) } })
	})
	t.Run("protocol", func(t *testing.T) { protocol(t, open) })
}

func run(t *testing.T, open func(t *testing.T) index.Store, stories []story) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			store := open(t)
			defer func() { must(t, store.Close()) }()
			s.tell(t, store)
		})
	}
}

// RunDurable tests that a store keeps what it holds when it is closed and
// opened again. Each call of place makes a new and empty place and returns what
// opens the store in it.
func RunDurable(t *testing.T, place func(t *testing.T) (open func() index.Store)) {
	t.Run("reopened", func(t *testing.T) {
		for _, s := range durableStories() {
			t.Run(s.name, func(t *testing.T) { s.tell(t, place(t)) })
		}
	})
	t.Run("histories", func(t *testing.T) { histories(t, true, place) })
}
