package bolt

import (
	"slices"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// numbers returns those of the repositories.
func numbers(t *testing.T, store *Store) map[string]repositoryNumber {
	t.Helper()
	found := make(map[string]repositoryNumber)
	err := store.view(t.Context(), func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		for _, name := range []string{"a", "b", "c"} {
			if n, given, err := live.find([]byte(name)); err != nil {
				return err
			} else if given {
				found[name] = n
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNumbers checks that a repository has a number as long as it has a record,
// and that none is given twice.
func TestNumbers(t *testing.T) {
	store := openTemporary(t)
	defer func() { _ = store.Close() }()
	record := func(repository, what string) index.Record {
		return index.Record{Repository: repository, Manifest: index.Manifest{
			Digest: digest.FromString(what),
			Edges:  []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString("subject")}},
		}}
	}
	check := func(when string, want map[string]repositoryNumber) {
		t.Helper()
		got := numbers(t, store)
		if len(got) != len(want) {
			t.Fatalf("%s: got %v, want %v", when, got, want)
		}
		for name, n := range want {
			if got[name] != n {
				t.Fatalf("%s: got %v, want %v", when, got, want)
			}
		}
	}
	if err := store.Observe(t.Context(), 0, record("c", "1"), record("c", "2"), record("a", "1")); err != nil {
		t.Fatal(err)
	}
	check("as they came", map[string]repositoryNumber{"c": {0, 0, 0, 1}, "a": {0, 0, 0, 2}})
	forget := func(repository, what string) {
		t.Helper()
		mark, err := store.Mark(t.Context())
		if err == nil {
			err = store.Forget(t.Context(), mark, repository, digest.FromString(what))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	forget("c", "1")
	check("with one left", map[string]repositoryNumber{"c": {0, 0, 0, 1}, "a": {0, 0, 0, 2}})
	forget("c", "2")
	check("with none left", map[string]repositoryNumber{"a": {0, 0, 0, 2}})
	mark, _ := store.Mark(t.Context())
	if err := store.Observe(t.Context(), mark, record("c", "1"), record("b", "1")); err != nil {
		t.Fatal(err)
	}
	check("again", map[string]repositoryNumber{"a": {0, 0, 0, 2}, "b": {0, 0, 0, 4}, "c": {0, 0, 0, 3}})
	records, err := store.Records(t.Context(), index.Key{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, r := range records {
		order = append(order, r.Repository)
	}
	if !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Fatalf("records come in the order %v", order)
	}
}

// TestReplacedKeepsItsNumber checks that the only record of a repository can be
// replaced by another.
func TestReplacedKeepsItsNumber(t *testing.T) {
	store := openTemporary(t)
	defer func() { _ = store.Close() }()
	record := samples()[1]
	record.Repository = "a"
	for range 2 {
		id, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now().Add(time.Hour)})
		if err == nil {
			err = store.Confirm(t.Context(), id, time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := numbers(t, store)["a"]; got != (repositoryNumber{0, 0, 0, 1}) {
			t.Fatalf("the number is %v", got)
		}
		record.Annotations = map[string]string{"another": "one"}
	}
}
