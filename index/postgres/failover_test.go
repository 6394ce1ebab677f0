package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/test/rig"
)

const breakOff = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`

// A primary may have shown what its standby has never got, and given numbers of
// the history that the standby gives again: marks of before count for nothing.
func TestAMarkOfAnotherServerIsOld(t *testing.T) {
	pair := rig.NewPostgresPair(t)
	store := mustOpen(t, postgres.Options{URL: pair.URL, Timeout: 2 * time.Second})
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(0)))
	must(t, pair.Standby.KillHard())
	for i := range 8 {
		changed := make(chan error, 1)
		go func() { changed <- store.Observe(t.Context(), 0, numbered(i+1)) }()
		eventually(t, pair.Primary, commitWaits)
		must(t, pair.Primary.Exec(cancelWait))
		if err := <-changed; err == nil {
			t.Fatal("a wait that was cancelled is a success")
		}
	}
	before, err := store.Mark(t.Context())
	must(t, err)
	must(t, pair.Primary.KillHard())
	must(t, pair.Standby.Start())
	must(t, pair.Promote())
	must(t, pair.Primary.Set(waitNoLonger))
	// What is pushed and deleted now was there when the old mark says that it was.
	deleted := numbered(20)
	retry(t, func() error { return push(t.Context(), store, deleted) })
	id, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: deleted, Deadline: time.Now()})
	must(t, err)
	must(t, store.Confirm(t.Context(), id, time.Now()))
	for i := range 20 {
		must(t, push(t.Context(), store, numbered(30+i)))
	}
	if err := store.Observe(t.Context(), before, deleted); !errors.Is(err, index.ErrStale) {
		t.Errorf("got error %v, want %v", err, index.ErrStale)
	}
	after, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), after, numbered(21)))
	if err := get(t.Context(), store, deleted); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("what was deleted: got error %v", err)
	}
}

// A server that another has taken the place of is not used, although it takes
// itself for the primary and comes first in the URL.
func TestAReplacedServerIsNotUsed(t *testing.T) {
	pair := rig.NewPostgresPair(t)
	store := mustOpen(t, postgres.Options{URL: pair.URL, Timeout: 2 * time.Second})
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(0)))
	must(t, pair.Primary.KillHard())
	must(t, pair.Promote())
	must(t, pair.Primary.Set(waitNoLonger))
	retry(t, func() error { return push(t.Context(), store, numbered(1)) })
	must(t, pair.Standby.Start())
	must(t, pair.Standby.Set(waitNoLonger))
	for range 3 {
		must(t, pair.Primary.Exec(breakOff))
		retry(t, func() error { return get(t.Context(), store, numbered(1)) })
		retry(t, func() error { return push(t.Context(), store, numbered(2)) })
	}
	// Where there is no other, there is none.
	must(t, pair.Primary.KillHard())
	for range 3 {
		if err := get(t.Context(), store, numbered(1)); err == nil || errors.Is(err, index.ErrNotFound) {
			t.Errorf("got error %v", err)
		}
	}
}

// A standby can be read from, but what it shows is old.
func TestAStandbyIsRefused(t *testing.T) {
	pair := rig.NewPostgresPair(t)
	must(t, mustOpen(t, postgres.Options{URL: pair.Primary.URL}).Close())
	eventually(t, pair.Standby, `SELECT to_regclass('backref.unheld') IS NOT NULL`)
	if store, err := postgres.Open(t.Context(), postgres.Options{URL: pair.Standby.URL}); err == nil {
		t.Error("a standby was opened")
		must(t, store.Close())
	}
}

// retry tries what fails while connections end.
func retry(t *testing.T, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil || errors.Is(err, index.ErrNotFound) {
			must(t, err)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Who has connections to a primary that is replaced, and goes on as if nothing
// had been, finds that out without being told.
func TestAServerIsFoundToBeReplaced(t *testing.T) {
	pair := rig.NewPostgresPair(t)
	var log said
	store := mustOpen(t, postgres.Options{URL: pair.URL, Timeout: 2 * time.Second, Say: log.say})
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(0)))
	must(t, pair.Promote())
	must(t, pair.Primary.Set(waitNoLonger))
	other := mustOpen(t, postgres.Options{URL: pair.Primary.URL})
	must(t, push(t.Context(), other, numbered(1)))
	must(t, other.Close())
	for deadline := time.Now().Add(time.Minute); get(t.Context(), store, numbered(1)) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what the new primary has is never shown")
		}
	}
	if !log.has("timeline 2 after 1") {
		t.Errorf("said %q", log.texts)
	}
	must(t, push(t.Context(), store, numbered(2)))
	eventually(t, pair.Primary, `SELECT count(*) = 3 FROM backref.manifests`)
}
