package bolt_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

// A look at a file of any format tells which it is, changes no byte, and counts as
// the store does.
func TestLook(t *testing.T) {
	earlier(t, func(t *testing.T, path, name string) {
		before, err := os.ReadFile(path)
		must(t, err)
		looked, err := bolt.Look(t.Context(), path)
		must(t, err)
		after, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Error("the file has changed")
		}
		if looked.Current || looked.Format < 1 || looked.Format > 3 {
			t.Errorf("%+v", looked)
		}
		store, err := bolt.Open(path, bolt.Options{})
		must(t, err)
		_, err = bolt.Look(t.Context(), path)
		mustBe(t, err, index.ErrInUse)
		stats, err := store.Stats(t.Context())
		must(t, err)
		intents, err := store.Intents(t.Context(), 0, 0)
		must(t, err)
		must(t, store.Close())
		looked, err = bolt.Look(t.Context(), path)
		must(t, err)
		// The file may have been made smaller, or larger, when it was closed.
		looked.Stats.Bytes = stats.Bytes
		if !looked.Current || looked.Stats != stats || len(looked.Intents) != len(intents) {
			t.Errorf("want %+v and %d intents, got %+v", stats, len(intents), looked)
		}
	})
}

func TestLookAtNoIndex(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "index.db")
	_, err := bolt.Look(t.Context(), path)
	mustBe(t, err, fs.ErrNotExist)
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if looked, err := bolt.Look(t.Context(), path); err != nil || looked.Format != 0 {
		t.Errorf("%+v, %v", looked, err)
	}
	must(t, os.WriteFile(path, []byte(strings.Repeat("no index ", 10_000)), 0o600))
	_, err = bolt.Look(t.Context(), path)
	mustBe(t, err, index.ErrDamaged)
	if _, err := bolt.Look(t.Context(), folder); err == nil {
		t.Error("a folder passes for an index")
	}
}
