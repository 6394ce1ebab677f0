package bolt_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

const (
	kindRare   = "application/vnd.example.rare"
	kindCommon = "application/vnd.example.common"
)

// typed returns a referrer of the subject of which few have the rare type.
func typed(i int) index.Record {
	record := someRecord(fmt.Sprint("typed ", i), "subject")
	if record.ArtifactType = kindCommon; i%250 == 0 {
		record.ArtifactType = kindRare
	}
	return record
}

// A file of format 3 is opened at once, and lists what there is of a type before the
// entries of types are made, while they are, and after: whatever is pushed and deleted
// meanwhile, and wherever the process ends.
func TestTypesAreMadeBesideRequests(t *testing.T) {
	const count = 5200
	path := filepath.Join(t.TempDir(), "index.db")
	store, err := bolt.Open(path, bolt.Options{})
	must(t, err)
	var records []index.Record
	for i := range count {
		records = append(records, typed(i))
	}
	mark, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), mark, records...))
	must(t, store.Close())
	untype(t, path)

	rare := map[digest.Digest]bool{}
	for _, record := range records {
		rare[record.Digest] = record.ArtifactType == kindRare
	}
	next := count
	for opened := 0; ; opened++ {
		if opened > 50 {
			t.Fatal("it doesn't end")
		}
		store, err := bolt.Open(path, bolt.Options{})
		must(t, err)
		wantRare(t, store, rare)
		gone, came := records[opened*250], typed(next)
		next += 250
		mark, err := store.Mark(t.Context())
		must(t, err)
		must(t, store.Forget(t.Context(), mark, gone.Repository, gone.Digest))
		must(t, store.Observe(t.Context(), mark, came))
		delete(rare, gone.Digest)
		rare[came.Digest] = came.ArtifactType == kindRare
		wantRare(t, store, rare)
		untyped, err := bolt.Untyped(store)
		must(t, err)
		must(t, store.Close())
		if !untyped {
			break
		}
	}
	checkPages(t, path)
	wantTypes(t, path)
}

// wantRare wants exactly those that are of the rare type, by every order.
func wantRare(t *testing.T, store index.Store, rare map[digest.Digest]bool) {
	t.Helper()
	var want []digest.Digest
	for d, is := range rare {
		if is {
			want = append(want, d)
		}
	}
	slices.Sort(want)
	for _, by := range []index.SortKey{index.SortDigest, index.SortCreated, index.SortVersion} {
		page, err := store.Referrers(t.Context(), repo, typed(0).Subject(), index.Query{
			ArtifactTypes: []string{kindRare}, Order: index.Order{By: by}, Limit: len(want) + 1,
		})
		must(t, err)
		var got []digest.Digest
		for _, entry := range page.Referrers {
			got = append(got, entry.Digest)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("by %v: listed %v, want %v", by, got, want)
		}
	}
}

// The letters of sections in keys, which begin with the number of a repository.
const (
	numberSize     = 4
	letterCreated  = 'c'
	letterTypes    = 't'
	createdKeySize = index.CreatedKeySize
)

// untype makes a file one of format 3.
func untype(t *testing.T, path string) {
	t.Helper()
	eachGeneration(t, path, func(tx *bbolt.Tx, records *bbolt.Bucket) error {
		var types [][]byte
		cursor := records.Cursor()
		for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
			if key[numberSize] == letterTypes {
				types = append(types, bytes.Clone(key))
			}
		}
		for _, key := range types {
			if err := records.Delete(key); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte("meta")).Put([]byte("format"), binary.BigEndian.AppendUint64(nil, 3))
	})
}

// wantTypes wants an entry of types for each entry of created, and no other.
func wantTypes(t *testing.T, path string) {
	t.Helper()
	eachGeneration(t, path, func(_ *bbolt.Tx, records *bbolt.Bucket) error {
		want, got := map[string]string{}, map[string]string{}
		cursor := records.Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			switch key[numberSize] {
			case letterCreated:
				subject := key[numberSize+1 : numberSize+1+33]
				created := key[numberSize+1+33:][:createdKeySize]
				manifest := key[numberSize+1+33+createdKeySize:]
				typed := slices.Concat(key[:numberSize], []byte{letterTypes}, subject, []byte{byte(len(value))}, value, manifest)
				want[string(typed)] = string(created)
			case letterTypes:
				got[string(key)] = string(value)
			}
		}
		if len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%d entries of types, want %d", len(got), len(want))
		}
		return nil
	})
}

// eachGeneration changes the generations of a file.
func eachGeneration(t *testing.T, path string, work func(tx *bbolt.Tx, records *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			if !bytes.HasPrefix(name, []byte("generation-")) {
				return nil
			}
			return work(tx, bucket)
		})
	}))
	must(t, db.Close())
}
