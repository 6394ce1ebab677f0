package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

const repo = "library/app"

// someRecord returns a record that refers to a subject, which is named by it.
func someRecord(what, subject string) index.Record {
	return index.Record{
		Repository: repo,
		Manifest: index.Manifest{
			Digest:       digest.FromString(what),
			MediaType:    oci.MediaTypeImageManifest,
			Size:         1234,
			ArtifactType: "application/vnd.example.signature",
			Annotations:  map[string]string{"org.opencontainers.image.created": "2026-01-01T00:00:00Z", "org.example.what": what},
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: digest.FromString(subject)},
				{Kind: index.EdgeConfig, Target: digest.FromString("{}")},
				{Kind: index.EdgeLayer, Target: digest.FromString("layer of " + what)},
			},
		},
		Seen: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// push pushes a record, as a client does.
func push(t testing.TB, store *bolt.Store, record index.Record) {
	t.Helper()
	id, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now().Add(time.Hour)})
	must(t, err)
	must(t, store.Confirm(t.Context(), id, time.Now()))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

func TestOpenCreates(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "index.db")
	store := mustOpen(t, path)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode is %v", info.Mode())
	}
	must(t, store.Close())
	entries, err := os.ReadDir(folder)
	must(t, err)
	if len(entries) != 1 {
		t.Fatalf("folder holds %v", entries)
	}
	before := read(t, path)
	must(t, mustOpen(t, path).Close())
	if !bytes.Equal(before, read(t, path)) {
		t.Fatal("opening an index that nobody uses changes it")
	}
}

func TestOpenWithoutFolder(t *testing.T) {
	_, err := bolt.Open(filepath.Join(t.TempDir(), "missing", "index.db"), bolt.Options{})
	mustBe(t, err, fs.ErrNotExist)
	if !strings.Contains(err.Error(), "folder") {
		t.Fatalf("%q does not say that it is the folder", err)
	}
	folder := t.TempDir()
	_, err = bolt.Open(folder, bolt.Options{})
	if err == nil || errors.Is(err, index.ErrDamaged) {
		t.Fatalf("opening a folder: %v", err)
	}
}

// TestOpenEmpty opens files in which nothing was ever written.
func TestOpenEmpty(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, path string){
		"no bytes":  func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) },
		"no bucket": func(t *testing.T, path string) { foreign(t, path, func(*bbolt.Tx) error { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			write(t, path)
			store := mustOpen(t, path)
			push(t, store, someRecord("sig", "subject"))
			must(t, store.Close())
			store = mustOpen(t, path)
			_, err := store.Get(t.Context(), repo, digest.FromString("sig"))
			must(t, err)
			must(t, store.Close())
		})
	}
}

// foreign writes a bbolt file.
func foreign(t *testing.T, path string, fill func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	must(t, err)
	must(t, db.Update(fill))
	must(t, db.Close())
}

func put(bucket string, pairs ...string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		for i := 0; i < len(pairs) && err == nil; i += 2 {
			err = b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return err
	}
}

func number(v uint64) string { return string(binary.BigEndian.AppendUint64(nil, v)) }

// TestOpenForeign opens what is no index, or not of this version. No byte may
// be changed.
func TestOpenForeign(t *testing.T) {
	for name, test := range map[string]struct {
		write func(t *testing.T, path string)
		want  error
	}{
		"one byte":             {file("x"), index.ErrDamaged},
		"text":                 {file(strings.Repeat("not a database\n", 5000)), index.ErrDamaged},
		"zeroes":               {file(strings.Repeat("\x00", 1<<16)), index.ErrDamaged},
		"sqlite":               {file("SQLite format 3\x00" + strings.Repeat("\x01", 1<<14)), index.ErrDamaged},
		"another program's":    {bucket(put("things", "a", "b")), index.ErrDamaged},
		"meta of another":      {bucket(put("meta", "version", "1")), index.ErrDamaged},
		"format of no size":    {bucket(put("meta", "format", "1")), index.ErrDamaged},
		"format to come":       {bucket(put("meta", "format", number(5))), index.ErrFormat},
		"format of none":       {bucket(put("meta", "format", number(0))), index.ErrFormat},
		"on its way to come":   {bucket(put("meta", "format", number(1<<32+5))), index.ErrFormat},
		"first format":         {bucket(put("meta", "format", number(1))), index.ErrDamaged},
		"format of before":     {bucket(put("meta", "format", number(2))), index.ErrDamaged},
		"on its way from 3":    {bucket(put("meta", "format", number(1<<32+3))), index.ErrFormat},
		"format without types": {bucket(put("meta", "format", number(3))), index.ErrDamaged},
		"no generation":        {bucket(put("meta", "format", number(4))), index.ErrDamaged},
		"generation missing":   {bucket(put("meta", "format", number(4), "generation", number(7))), index.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			test.write(t, path)
			before := read(t, path)
			// The second time shows that the first let go of the file.
			for range 2 {
				_, err := bolt.Open(path, bolt.Options{})
				mustBe(t, err, test.want)
			}
			if !bytes.Equal(before, read(t, path)) {
				t.Fatal("the file was changed")
			}
		})
	}
}

func file(content string) func(*testing.T, string) {
	return func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(content), 0o600)) }
}

func bucket(fill func(*bbolt.Tx) error) func(*testing.T, string) {
	return func(t *testing.T, path string) { foreign(t, path, fill) }
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

func TestOpenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store := mustOpen(t, path)
	began := time.Now()
	_, err := bolt.Open(path, bolt.Options{LockTimeout: 200 * time.Millisecond})
	mustBe(t, err, index.ErrInUse)
	if took := time.Since(began); took > 5*time.Second {
		t.Fatalf("waited %v", took)
	}
	// One that waits gets the file when it is let go.
	opened := make(chan error)
	go func() {
		second, err := bolt.Open(path, bolt.Options{LockTimeout: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	waitsFor(t, path)
	must(t, store.Close())
	must(t, <-opened)
}

// waitsFor waits until this process has a file open twice: for one that has it,
// and for one that waits for its lock.
func waitsFor(t *testing.T, path string) {
	t.Helper()
	const descriptors = "/proc/self/fd"
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(descriptors)
		must(t, err)
		open := 0
		for _, entry := range entries {
			// One that was closed meanwhile leads nowhere.
			if file, err := os.Readlink(filepath.Join(descriptors, entry.Name())); err == nil && file == path {
				open++
			}
		}
		if open == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the file is open %d times", open)
		}
	}
}

func TestOpenUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("the superuser may read everything: only a device is tried")
		_, err := bolt.Open(os.DevNull, bolt.Options{})
		if err == nil {
			t.Fatal("opened a device")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "index.db")
	must(t, mustOpen(t, path).Close())
	must(t, os.Chmod(path, 0))
	_, err := bolt.Open(path, bolt.Options{})
	mustBe(t, err, fs.ErrPermission)
}

// TestOpenDropsOverDeletes checks which deletes are ended at opening: those
// that are over and can't change any listing.
func TestOpenDropsOverDeletes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store := mustOpen(t, path)
	kept := someRecord("recorded", "subject")
	must(t, store.Observe(t.Context(), 0, kept))
	begin := func(kind index.IntentKind, what string, deadline time.Time) index.IntentID {
		t.Helper()
		record := someRecord(what, "subject")
		if kind == index.IntentDelete {
			record.Manifest = index.Manifest{Digest: record.Digest}
		}
		id, err := store.Begin(t.Context(), index.Intent{Kind: kind, Record: record, Deadline: deadline})
		must(t, err)
		return id
	}
	over, later := now.Add(-time.Second), now.Add(time.Second)
	begin(index.IntentDelete, "nothing", over)
	open := []index.IntentID{
		begin(index.IntentDelete, "nothing yet", later),
		begin(index.IntentDelete, "recorded", over),
		begin(index.IntentPush, "pushed", over),
		begin(index.IntentDelete, "pushed", over),
	}
	before, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Close())

	store, err = bolt.Open(path, bolt.Options{Now: func() time.Time { return now }})
	must(t, err)
	defer func() { must(t, store.Close()) }()
	nothing := someRecord("nothing", "subject")
	// What was read before can't tell any more.
	mustBe(t, store.Observe(t.Context(), before, nothing), index.ErrStale)
	mark, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), mark, nothing, someRecord("nothing yet", "subject")))
	unsettled, err := store.Unsettled(t.Context(), repo, digest.FromString("subject"))
	must(t, err)
	var got []index.IntentID
	for _, intent := range unsettled {
		got = append(got, intent.ID)
	}
	if len(got) != len(open) || got[0] != open[0] || got[3] != open[3] {
		t.Fatalf("open are %v, want %v", got, open)
	}
}

// TestHistoryIsDropped checks that the history of deletes does not grow for
// ever, and that a mark from before what is left counts for nothing.
func TestHistoryIsDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return now }})
	must(t, err)
	first := index.Mark(0)
	remove := func(what string) {
		t.Helper()
		id, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: someRecord(what, "subject"), Deadline: now})
		must(t, err)
		must(t, store.Confirm(t.Context(), id, now))
	}
	for _, what := range strings.Fields("a b c d e f g h") {
		remove(what)
	}
	must(t, store.Observe(t.Context(), first, someRecord("unrelated", "subject")))
	now = now.Add(25 * time.Hour)
	last, err := store.Mark(t.Context())
	must(t, err)
	for range 4 {
		remove("later")
	}
	mustBe(t, store.Observe(t.Context(), first, someRecord("unrelated too", "subject")), index.ErrStale)
	mustBe(t, store.Observe(t.Context(), last, someRecord("later", "subject")), index.ErrStale)
	must(t, store.Observe(t.Context(), last, someRecord("a", "subject"), someRecord("unrelated too", "subject")))
	must(t, store.Close())

	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.View(func(tx *bbolt.Tx) error {
		for bucket, want := range map[string]int{"history": 8, "changes": 1} {
			if n := tx.Bucket([]byte(bucket)).Stats().KeyN; n != want {
				t.Errorf("%s has %d entries, want %d", bucket, n, want)
			}
		}
		return nil
	}))
}
