package bolt_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/indextest"
	"go.etcd.io/bbolt"
)

// formats has a file of each format, and what the versions that wrote them read
// in it.
const formats = "../testdata/formats"

// earlier writes each of these files to a path of its own and runs a test on it.
func earlier(t *testing.T, test func(t *testing.T, path, name string)) {
	files, err := filepath.Glob(filepath.Join(formats, "bolt-*.db.gz"))
	must(t, err)
	if len(files) < 5 {
		t.Fatalf("there are only %v", files)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".db.gz")
		t.Run(name, func(t *testing.T) {
			packed, err := os.Open(file)
			must(t, err)
			defer func() { _ = packed.Close() }()
			unpacked, err := gzip.NewReader(packed)
			must(t, err)
			content, err := io.ReadAll(unpacked)
			must(t, err)
			path := filepath.Join(t.TempDir(), "index.db")
			must(t, os.WriteFile(path, content, 0o600))
			test(t, path, name)
		})
	}
}

// mirrored tells whether a file was written with the outbox on: the first
// version had none.
func mirrored(name string) bool { return name != "bolt-1-a" }

func TestEarlierFormats(t *testing.T) {
	earlier(t, func(t *testing.T, path, name string) {
		var said []index.Migration
		store, err := bolt.Open(path, bolt.Options{Migrating: func(m index.Migration) error {
			said = append(said, m)
			return nil
		}})
		must(t, err)
		if len(said) == 0 || !said[len(said)-1].Done {
			t.Errorf("it was told %+v", said)
		}
		indextest.Formats(t, store, formats, mirrored(name))
		must(t, store.Close())
		checkPages(t, path)
		// Now it is one as every other.
		store, err = bolt.Open(path, bolt.Options{Migrating: func(m index.Migration) error { return fmt.Errorf("again: %+v", m) }})
		must(t, err)
		must(t, store.Close())
	})
}

// checkPages has bbolt check the whole file.
func checkPages(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	must(t, err)
	must(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	}))
	must(t, db.Close())
}

// TestMigrationIsInterrupted ends the opening behind each of its transactions.
func TestMigrationIsInterrupted(t *testing.T) {
	earlier(t, func(t *testing.T, path, name string) {
		enough := errors.New("enough")
		opened := 0
		for ; ; opened++ {
			store, err := bolt.Open(path, bolt.SmallSteps(bolt.Options{Migrating: func(m index.Migration) error {
				if m.Done {
					return nil
				}
				return enough
			}}))
			if err == nil {
				indextest.Formats(t, store, formats, mirrored(name))
				must(t, store.Close())
				break
			}
			mustBe(t, err, enough)
			// No version takes what is on its way for an index of its own.
			if number := formatNumber(t, path); number <= 1<<32-1 {
				t.Fatalf("the format is said to be %d", number)
			}
			if opened > 1000 {
				t.Fatal("it doesn't end")
			}
		}
		if name != "bolt-3" && opened < 10 {
			t.Errorf("it was interrupted %d times only", opened)
		}
	})
}

func formatNumber(t *testing.T, path string) (number uint64) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	must(t, db.View(func(tx *bbolt.Tx) error {
		number = binary.BigEndian.Uint64(tx.Bucket([]byte("meta")).Get([]byte("format")))
		return nil
	}))
	must(t, db.Close())
	return number
}

// TestMigrationIsKilled kills processes that open an earlier index, each after
// one transaction more than the last.
func TestMigrationIsKilled(t *testing.T) {
	earlier(t, func(t *testing.T, path, name string) {
		for more := 1; killMigration(t, path, more); more++ {
		}
		store, err := bolt.Open(path, bolt.Options{})
		must(t, err)
		indextest.Formats(t, store, formats, mirrored(name))
		must(t, store.Close())
	})
}

// killMigration reports whether the process was killed before it was done.
func killMigration(t *testing.T, path string, parts int) bool {
	t.Helper()
	command := child(t, "migrate", path)
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	defer func() { _ = command.Wait() }()
	lines := bufio.NewScanner(out)
	for range parts {
		if !lines.Scan() || lines.Text() == "done" {
			return false
		}
	}
	must(t, command.Process.Kill())
	return true
}

// migrateUntilKilled opens an index, by small steps.
func migrateUntilKilled(_ context.Context, path string) error {
	store, err := bolt.Open(path, bolt.SmallSteps(bolt.Options{Migrating: func(m index.Migration) error {
		_, err := fmt.Println(m.Moved)
		return err
	}}))
	if err != nil {
		return err
	}
	fmt.Println("done")
	return store.Close()
}

// TestMigrationFindsDamage has an earlier index with records that make no sense.
func TestMigrationFindsDamage(t *testing.T) {
	earlier(t, func(t *testing.T, path, name string) {
		if name == "bolt-3" {
			return
		}
		content := read(t, path)
		// The type of a record loses its length.
		broken := bytes.ReplaceAll(content, []byte("\x2aapplication/vnd.oci.image.manifest"), []byte("\xffapplication/vnd.oci.image.manifest"))
		if bytes.Equal(content, broken) {
			t.Fatal("it has no such record")
		}
		must(t, os.WriteFile(path, broken, 0o600))
		_, err := bolt.Open(path, bolt.Options{})
		mustBe(t, err, index.ErrDamaged)
	})
}
