package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

const pageSize = 4096

// filled writes an index with trees of several pages and returns its bytes. Of
// the megabytes of unused space that bbolt sets aside at the end, it leaves one
// page: to cut through all of them takes minutes and shows nothing.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index.db")
	store := mustOpen(t, path)
	for batch := range 10 {
		var records []index.Record
		for i := range 6 {
			records = append(records, someRecord(fmt.Sprintf("sig %d %d", batch, i), fmt.Sprintf("subject %d", i%3)))
		}
		must(t, store.Observe(t.Context(), 0, records...))
	}
	for i := range 10 {
		_, err := store.Begin(t.Context(), index.Intent{
			Kind: index.IntentPush, Record: someRecord(fmt.Sprintf("open %d", i), "subject 0"), Deadline: time.Now().Add(time.Hour),
		})
		must(t, err)
	}
	must(t, store.Close())
	content := read(t, path)
	return content[:min(len(content), usedSize(t, path)+pageSize)]
}

// usedSize returns where the last page ends that was ever used.
func usedSize(t *testing.T, path string) int {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	var size int
	must(t, db.View(func(tx *bbolt.Tx) error {
		size = int(tx.Size())
		return nil
	}))
	return size
}

// TestTruncated cuts an index short everywhere. Nothing may crash or be
// changed, and what opens must be whole.
func TestTruncated(t *testing.T) {
	whole := filled(t)
	for size := 1; size < len(whole); size += pageSize/2 + 1 {
		path := filepath.Join(t.TempDir(), "index.db")
		must(t, os.WriteFile(path, whole[:size], 0o600))
		store, err := bolt.Open(path, bolt.Options{})
		if err == nil {
			// Only unused space at the end is gone.
			if failed := useAll(t.Context(), store); failed != nil {
				t.Fatalf("%d of %d bytes: %v", size, len(whole), failed)
			}
			must(t, store.Close())
			continue
		}
		mustBe(t, err, index.ErrDamaged)
		if !bytes.Equal(read(t, path), whole[:size]) {
			t.Fatalf("a file of %d bytes was changed", size)
		}
	}
}

// TestTruncatedWhileOpen takes the file away under an open store, so that its
// memory faults.
func TestTruncatedWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	must(t, os.WriteFile(path, filled(t), 0o600))
	store := mustOpen(t, path)
	must(t, os.Truncate(path, 2*pageSize))
	mustBe(t, useAll(t.Context(), store), index.ErrDamaged)
	// A change needs the file too.
	err := store.Observe(t.Context(), 0, someRecord("new", "subject"))
	mustBe(t, err, index.ErrDamaged)
	if err := store.Close(); err != nil {
		mustBe(t, err, index.ErrDamaged)
	}
}

// TestDamagedPages spoils every page in turn. Whatever is called then works or
// says that the index is damaged; nothing crashes and nothing hangs.
func TestDamagedPages(t *testing.T) {
	whole := filled(t)
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, pageSize)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	spoil := map[string]func(page []byte){
		"zeroes":      func(page []byte) { clear(page) },
		"noise":       func(page []byte) { copy(page, noise) },
		"noisy body":  func(page []byte) { copy(page[16:], noise) },
		"wrong count": func(page []byte) { copy(page[10:12], "\xff\xff") },
		"wrong places": func(page []byte) {
			for i := 16; i+8 < 400; i += 8 {
				page[i+5] ^= 0x7f
			}
		},
		"another page": func(page []byte) { copy(page, whole[5*pageSize:6*pageSize]) },
	}
	damaged, opened := 0, 0
	for name, spoil := range spoil {
		for _, page := range usedPages(t, whole) {
			content := bytes.Clone(whole)
			spoil(content[page*pageSize : (page+1)*pageSize])
			path := filepath.Join(t.TempDir(), "index.db")
			must(t, os.WriteFile(path, content, 0o600))
			store, err := bolt.Open(path, bolt.Options{})
			if err != nil {
				if !errors.Is(err, index.ErrDamaged) && !errors.Is(err, index.ErrFormat) {
					t.Fatalf("%s in page %d: %v", name, page, err)
				}
				if !bytes.Equal(read(t, path), content) {
					t.Fatalf("%s in page %d: the file was changed", name, page)
				}
				// The file was let go of, or else it would be in use.
				if _, err := bolt.Open(path, bolt.Options{LockTimeout: time.Millisecond}); errors.Is(err, index.ErrInUse) {
					t.Fatalf("%s in page %d: %v", name, page, err)
				}
				damaged++
				continue
			}
			opened++
			err = useAll(t.Context(), store)
			if err != nil && !errors.Is(err, index.ErrDamaged) {
				t.Fatalf("%s in page %d: %v", name, page, err)
			}
			if err := store.Close(); err != nil && !errors.Is(err, index.ErrDamaged) {
				t.Fatalf("%s in page %d: close: %v", name, page, err)
			}
		}
	}
	t.Logf("%d were refused, %d opened", damaged, opened)
}

// usedPages returns the pages that hold something.
func usedPages(t *testing.T, content []byte) []int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index.db")
	must(t, os.WriteFile(path, content, 0o600))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	var used []int
	must(t, db.View(func(tx *bbolt.Tx) error {
		for page := 0; page < int(tx.Size()/pageSize); {
			info, err := tx.Page(page)
			if err != nil {
				return err
			}
			if info.Type != "free" {
				used = append(used, page)
			}
			page += 1 + info.OverflowCount
		}
		return nil
	}))
	return used
}

// useAll reads and changes everything, in an order that depends on nothing,
// and returns the first error.
func useAll(ctx context.Context, store *bolt.Store) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var first error
	note := func(err error) {
		if first == nil && err != nil && !errors.Is(err, index.ErrNotFound) && !errors.Is(err, index.ErrStale) {
			first = err
		}
	}
	for i := range 3 {
		subject := digest.FromString(fmt.Sprintf("subject %d", i))
		_, err := store.Referrers(ctx, repo, subject, index.Query{})
		note(err)
		_, err = store.Parents(ctx, repo, subject, index.Parent{}, 0)
		note(err)
		_, err = store.Unsettled(ctx, repo, subject)
		note(err)
	}
	for i := range 3 {
		record := someRecord(fmt.Sprintf("sig %d %d", 3*i, 2*i), fmt.Sprintf("subject %d", 2*i%3))
		_, err := store.Get(ctx, repo, record.Digest)
		note(err)
		id, err := store.Begin(ctx, index.Intent{Kind: index.IntentDelete, Record: record, Deadline: time.Now()})
		note(err)
		note(store.Confirm(ctx, id, time.Now()))
		id, err = store.Begin(ctx, index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now()})
		note(err)
		note(store.Settle(ctx, id, index.Finding{At: time.Now().Add(time.Hour)}))
	}
	return first
}
