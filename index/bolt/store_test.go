package bolt_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/indextest"
)

func TestStore(t *testing.T) {
	indextest.Run(t, func(t *testing.T) index.Store { return place(t)() })
}

func TestStoreDurable(t *testing.T) {
	indextest.RunDurable(t, place)
}

func TestStoreBackup(t *testing.T) {
	indextest.RunBackup(t, func(t *testing.T) index.Store { return place(t)() },
		func(t *testing.T, backup io.Reader) index.Store {
			path := filepath.Join(t.TempDir(), "copy.db")
			content, err := io.ReadAll(backup)
			must(t, err)
			must(t, os.WriteFile(path, content, 0o600))
			return mustOpen(t, path)
		})
}

// place returns what opens the store of a file of its own.
func place(t *testing.T) func() index.Store {
	path := filepath.Join(t.TempDir(), "index.db")
	return func() index.Store { return mustOpen(t, path) }
}

func mustOpen(t testing.TB, path string) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}
