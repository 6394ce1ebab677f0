package bolt

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// fileMeta is what the newest meta page of a file says.
type fileMeta struct {
	pageSize    int64
	transaction uint64
	// list is the first page of the list of free pages, if listed.
	list   int64
	listed bool
}

func readMeta(t *testing.T, path string) (newest fileMeta) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// Behind the header of the page are magic, version, the size of a page.
	const header, size, list, transaction = 16, 8, 32, 48
	meta := make([]byte, 64)
	read := func(at int64) {
		if _, err := file.ReadAt(meta, at+header); err != nil {
			t.Fatal(err)
		}
	}
	read(0)
	pageSize := int64(binary.NativeEndian.Uint32(meta[size:]))
	for page := range int64(2) {
		read(page * pageSize)
		if id := binary.NativeEndian.Uint64(meta[transaction:]); id >= newest.transaction {
			at := binary.NativeEndian.Uint64(meta[list:])
			newest = fileMeta{pageSize: pageSize, transaction: id, list: int64(at), listed: at != 1<<64-1}
		}
	}
	return newest
}

// hasList reports whether the last transaction of a file wrote the list of its
// free pages.
func hasList(t *testing.T, path string) bool { return readMeta(t, path).listed }

// listLength returns how many pages are in the list of a file.
func listLength(t *testing.T, path string) int {
	t.Helper()
	meta := readMeta(t, path)
	if !meta.listed {
		t.Fatal("there is no list")
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	page := make([]byte, 16)
	if _, err := file.ReadAt(page, meta.list*meta.pageSize); err != nil {
		t.Fatal(err)
	}
	const count = 10 // Behind number and kind of the page.
	return int(binary.NativeEndian.Uint16(page[count:]))
}

// TestWhatIsReliedOnOfBbolt holds bbolt to what freelist.go says of it. Where
// this test fails after bbolt was changed, that file has to be thought through
// again.
func TestWhatIsReliedOnOfBbolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.db")
	// So much is mapped that growing waits for no reader.
	db := openBbolt(t, path, withFreeList(bbolt.Options{InitialMmapSize: 64 << 20}))
	if db.FreelistType != bbolt.FreelistMapType || !db.NoFreelistSync {
		t.Errorf("it was opened with type %q, without a list: %t", db.FreelistType, db.NoFreelistSync)
	}
	if size := int64(db.Info().PageSize); size != readMeta(t, path).pageSize {
		t.Errorf("DB.Info has pages of %d bytes, the file of %d", size, readMeta(t, path).pageSize)
	}
	// Each commit writes the list or not, as the field says at that time.
	for _, list := range []bool{false, true, true, false, false, true, false, true} {
		db.NoFreelistSync = !list
		writePages(t, db, 50)
		if hasList(t, path) != list {
			t.Fatalf("a commit wrote the list: %t, want %t", !list, list)
		}
	}
	// The statistics have what a list has, free and pending, and a reader keeps
	// pages pending.
	wantListed := func() {
		t.Helper()
		if stats, n := db.Stats(), listLength(t, path); stats.FreePageN+stats.PendingPageN != n {
			t.Errorf("DB.Stats has %d free pages and %d pending, the list has %d", stats.FreePageN, stats.PendingPageN, n)
		}
	}
	wantListed()
	reader, err := db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	before := db.Stats().PendingPageN
	writePages(t, db, 50)
	writePages(t, db, 50)
	if now := db.Stats().PendingPageN; now < before+50 {
		t.Errorf("%d pages are pending while they can be seen, %d before", now, before)
	}
	wantListed()
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	testWhatOpenFinds(t, db, path)
}

// testWhatOpenFinds checks that a file is opened with the free pages that it was
// closed with, whether it has a list of them or an earlier one had.
func testWhatOpenFinds(t *testing.T, db *bbolt.DB, path string) {
	t.Helper()
	for _, list := range []bool{true, false} {
		db.NoFreelistSync = !list
		writePages(t, db, 20)
		free, transaction := db.Stats(), readMeta(t, path).transaction
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, opts := range []bbolt.Options{withFreeList(bbolt.Options{}), {ReadOnly: true, PreLoadFreelist: true}} {
			db = openBbolt(t, path, opts)
			if got, want := db.Stats().FreePageN, free.FreePageN+free.PendingPageN; got != want {
				t.Errorf("with a list %t, read only %t: %d free pages are found, want %d", list, opts.ReadOnly, got, want)
			}
			if readMeta(t, path).transaction != transaction {
				t.Error("opening the file wrote to it")
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		db = openBbolt(t, path, withFreeList(bbolt.Options{}))
	}
	db.NoFreelistSync = false
	writePages(t, db, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// A list that makes no sense is found by who only reads.
	meta := readMeta(t, path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(content[meta.list*meta.pageSize:][:meta.pageSize])
	if err := os.WriteFile(path, content, fileMode); err != nil {
		t.Fatal(err)
	}
	if err := checkFreeList(path, time.Now().Add(time.Second)); err == nil {
		t.Error("a list that is no list is not found")
	}
}

func openBbolt(t *testing.T, path string, opts bbolt.Options) *bbolt.DB {
	t.Helper()
	opts.Timeout = time.Second
	db, err := bbolt.Open(path, fileMode, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// writePages writes some pages anew, so that as many become free.
func writePages(t *testing.T, db *bbolt.DB, n uint64) {
	t.Helper()
	err := db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte("pages"))
		if err != nil {
			return err
		}
		for i := range n {
			if err := bucket.Put(number(i), make([]byte, db.Info().PageSize/2)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPagesOfEverySize checks of files that were made on other machines that the
// reserve takes as many pages as it is meant to, and that they go with it.
func TestPagesOfEverySize(t *testing.T) {
	for _, size := range []int{4 << 10, 8 << 10, 16 << 10, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			db := openBbolt(t, path, bbolt.Options{PageSize: size})
			if err := db.Update(initialize); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			store, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			if got := store.db.Info().PageSize; got != size {
				t.Fatalf("pages have %d bytes, want %d", got, size)
			}
			freeSome(t, store, 2*manyFree)
			observe(t, store, "first", 1) // Until it, what was freed is pending.
			before := store.db.Stats().FreePageN
			observe(t, store, "next", 1)
			stats := reserveStats(t, store)
			if stats.KeyN < reserveLeast*reservePerPage || stats.LeafOverflowN > 0 {
				t.Fatalf("the reserve has %+v", stats)
			}
			if pages := stats.KeyN / reservePerPage; stats.LeafPageN > pages+2 || stats.LeafPageN < pages-2 {
				t.Errorf("%d entries take %d pages, want %d", stats.KeyN, stats.LeafPageN, pages)
			}
			if now := store.db.Stats().FreePageN; now > before {
				t.Errorf("%d pages are free with a reserve, %d without", now, before)
			}
			checkPages(t, store)
		})
	}
}

// freeSome makes that there are so many free pages at least, and no reserve.
func freeSome(t *testing.T, store *Store, n int) {
	t.Helper()
	each := func(do func(w *writing, key []byte) error) {
		t.Helper()
		err := store.change(t.Context(), func(w *writing) error {
			for i := range uint64(2 * n) {
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
	each(func(w *writing, key []byte) error { return w.put(w.changes, key, make([]byte, w.pageSize()/2)) })
	each(func(w *writing, key []byte) error { return w.delete(w.changes, key) })
	if free := store.db.Stats(); free.FreePageN+free.PendingPageN < n {
		t.Fatalf("%d pages are free, want %d", free.FreePageN+free.PendingPageN, n)
	}
}

func reserveStats(t *testing.T, store *Store) (stats bbolt.BucketStats) {
	t.Helper()
	err := store.view(t.Context(), func(tx *bbolt.Tx) error {
		if bucket := tx.Bucket([]byte(tableReserve)); bucket != nil {
			stats = bucket.Stats()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return stats
}
