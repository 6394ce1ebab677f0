package bolt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// observe records so many manifests, in several repositories.
func observe(t *testing.T, store *Store, what string, n int) {
	t.Helper()
	var records []index.Record
	for i := range n {
		record := samples()[1]
		record.Repository = fmt.Sprintf("%s/%d", what, i%7)
		record.Digest = digest.FromString(fmt.Sprint(what, i))
		records = append(records, record)
	}
	if err := store.Observe(t.Context(), 0, records...); err != nil {
		t.Fatal(err)
	}
}

// waitUntil waits for what happens beside the test.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not yet", what)
		}
	}
}

// TestListOfFreePages checks that a short list is written with each change and
// a long one when nothing changes, so that a kill leaves one mostly.
func TestListOfFreePages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	store.free.long = shortList
	observe(t, store, "few", 10)
	if !hasList(t, path) {
		t.Fatal("a change did not write the list")
	}
	// What a reader sees is not reused, so that the list grows.
	tx, err := store.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	fill := func(do func(w *writing, key []byte) error) {
		t.Helper()
		err := store.change(t.Context(), func(w *writing) error {
			for i := range uint64(3 * shortList) {
				if err := do(w, number(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(func(w *writing, key []byte) error { return w.put(w.changes, key, make([]byte, w.pageSize()/3)) })
	fill(func(w *writing, key []byte) error { return w.delete(w.changes, key) })
	observe(t, store, "last", 1)
	if hasList(t, path) {
		t.Fatal("a change wrote a list that is long")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the list of a store that rests", func() bool { return hasList(t, path) })
	changes := 0
	for observe(t, store, "next", 1); !hasList(t, path); changes++ {
		if changes > 1000 {
			t.Fatalf("%+v: the list is not getting shorter", store.db.Stats())
		}
		observe(t, store, fmt.Sprint("next", changes), 1)
	}
	if changes == 0 {
		t.Fatal("a change wrote a list that is long")
	}
	waitUntil(t, "the use of the reserve", func() bool {
		changes++
		observe(t, store, fmt.Sprint("next", changes), 500)
		return !hasTable(t, store, tableReserve)
	})
	checkPages(t, store)
}

func hasTable(t *testing.T, store *Store, name table) (has bool) {
	t.Helper()
	err := store.view(t.Context(), func(tx *bbolt.Tx) error {
		has = tx.Bucket([]byte(name)) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return has
}

func checkPages(t *testing.T, store *Store) {
	t.Helper()
	err := store.view(t.Context(), func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReserve checks that what a rebuild replaced is dropped as pages are
// wanted, so that there are never many free ones.
func TestReserve(t *testing.T) {
	store := openTemporary(t)
	defer func() { _ = store.Close() }()
	for round := range 20 {
		observe(t, store, fmt.Sprint("round", round), 500)
	}
	if _, err := store.BeginRebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.FinishRebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	unused := func() bool {
		var found table
		err := store.change(t.Context(), func(w *writing) (err error) {
			found, err = w.unusedTable()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found != ""
	}
	reserved := func() bool {
		reserved := false
		_ = store.change(t.Context(), func(*writing) error { reserved = store.free.reserve; return nil })
		return reserved
	}
	waitUntil(t, "the upkeep", reserved)
	if !unused() {
		t.Fatal("all was dropped at once")
	}
	for round := 0; unused(); round++ {
		if pages := store.db.Stats().FreePageN; pages > shortList {
			t.Fatalf("%d pages are free", pages)
		}
		observe(t, store, fmt.Sprint("more", round), 500)
		if round > 1000 {
			t.Fatal("it is never dropped")
		}
	}
	checkPages(t, store)
}

// TestTheReserveIsBounded has large records come and go, for which the reserve
// leaves no runs of pages: it must not grow with their number.
func TestTheReserveIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	observe(t, store, "small", 2000)
	for i := range 300 {
		record := samples()[1]
		record.Digest = digest.FromString(fmt.Sprint("large", i))
		record.Annotations = map[string]string{"a": strings.Repeat("y", (20+i*7919%1500)<<10)}
		if err := store.Observe(t.Context(), 0, record); err != nil {
			t.Fatal(err)
		}
		mark, err := store.Mark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Forget(t.Context(), mark, record.Repository, record.Digest); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB", info.Size()>>20)
	if info.Size() > 64<<20 {
		t.Errorf("the file has %d MiB", info.Size()>>20)
	}
}

// TestTheListIsShortWhileMuchIsDeleted deletes nearly all of an index, by changes of any
// size: the list is written with each, and stays short, and the file doesn't grow.
func TestTheListIsShortWhileMuchIsDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	const chunks, each = 30, 1000
	for chunk := range chunks {
		observe(t, store, fmt.Sprint("chunk", chunk), each)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for i := 0; i < chunks*each; {
		size := []int{1, 700, 20, 100}[i%4]
		forget(t, store, i, min(i+size, chunks*each), each)
		i += size
		stats := store.db.Stats()
		most = max(most, stats.FreePageN+stats.PendingPageN)
		if !hasList(t, path) {
			t.Fatalf("a change wrote no list, with %d pages", stats.FreePageN)
		}
	}
	if most > shortList {
		t.Errorf("the list had %d pages", most)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Size() > before.Size()+8<<20 {
		t.Errorf("the file grew from %d to %d bytes", before.Size(), after.Size())
	}
	checkPages(t, store)
}

// forget removes manifests of those that [observe] recorded, in one change.
func forget(t *testing.T, store *Store, from, to, each int) {
	t.Helper()
	mark, err := store.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = store.change(t.Context(), func(w *writing) error {
		for i := from; i < to; i++ {
			chunk := fmt.Sprint("chunk", i/each)
			key, err := repositoryKey(fmt.Sprintf("%s/%d", chunk, i%each%7), digest.FromString(fmt.Sprint(chunk, i%each)))
			if err != nil {
				return err
			}
			if err := w.decide(key, func(m *ledger.Matter) error { return m.Forget(mark) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
