package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("not reached: " + what)
		}
	}
}

func TestAnOldGenerationIsDropped(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	for i := range 5 {
		must(t, push(t.Context(), store, numbered(i)))
	}
	_, err := store.BeginRebuild(t.Context())
	must(t, err)
	must(t, store.Fill(t.Context(), 0, nil, numbered(0), numbered(7)))
	must(t, store.FinishRebuild(t.Context()))
	conn := connected(t, options.URL)
	schema := pgx.Identifier{options.Schema}.Sanitize()
	waitFor(t, "the rows of the old generation are gone", func() bool {
		var manifests, parents, repositories int
		must(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM `+schema+`.manifests), (SELECT count(*) FROM `+schema+`.parents),
			(SELECT count(*) FROM `+schema+`.repositories)`).Scan(&manifests, &parents, &repositories))
		return manifests == 2 && parents == 2 && repositories == 1
	})
}

func TestOldHistoryIsDropped(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	before, err := store.Mark(t.Context())
	must(t, err)
	for i := range 3 {
		id, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: numbered(i), Deadline: time.Now().Add(time.Hour)})
		must(t, err)
		must(t, store.Confirm(t.Context(), id, time.Now()))
	}
	must(t, store.Observe(t.Context(), before, numbered(9)))
	conn := connected(t, options.URL)
	schema := pgx.Identifier{options.Schema}.Sanitize()
	_, err = conn.Exec(t.Context(), `UPDATE `+schema+`.history SET at = at - interval '2 days'`)
	must(t, err)
	must(t, store.AbandonRebuild(t.Context())) // It wakes the upkeep.
	waitFor(t, "the changes are gone", func() bool {
		var changes int
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM `+schema+`.changes`).Scan(&changes))
		return changes == 0
	})
	// What was read in a time that is forgotten is not believed.
	if err := store.Observe(t.Context(), before, numbered(0)); !errors.Is(err, index.ErrStale) {
		t.Errorf("got error %v, want %v", err, index.ErrStale)
	}
	now, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Observe(t.Context(), now, numbered(0)))
}

func TestDeletesThatAreOverEnd(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(1)))
	for i := range 2 {
		_, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: numbered(i), Deadline: time.Now()})
		must(t, err)
	}
	must(t, store.AbandonRebuild(t.Context())) // It wakes the upkeep.
	var open []index.Intent
	waitFor(t, "one has ended", func() bool {
		var err error
		open, err = store.Intents(t.Context(), 0, 10)
		must(t, err)
		return len(open) == 1
	})
	if open[0].Record.Digest != numbered(1).Digest {
		t.Error("the delete of what is recorded has ended")
	}
}
