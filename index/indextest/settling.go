package indextest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/backref/backref/index"
)

// outcome is what becomes of a record.
type outcome string

const (
	stays    outcome = "stays as it is"
	recorded outcome = "is recorded"
	removed  outcome = "is removed"
)

// settlement is a line of the contract of Settle.
type settlement struct {
	kind      index.IntentKind
	contended bool
	present   bool
	// over says that the finding is from after the deadline.
	over   bool
	record outcome
	// open and marked are what becomes of the intent.
	open, marked bool
}

func settlements() []settlement {
	const (
		contended, alone = true, false
		present, absent  = true, false
		over, early      = true, false
		open, ended      = true, false
		marked           = true
	)
	return []settlement{
		{index.IntentPush, alone, present, early, recorded, open, marked},
		{index.IntentPush, alone, present, over, recorded, ended, false},
		{index.IntentPush, alone, absent, early, stays, open, false},
		{index.IntentPush, alone, absent, over, stays, ended, false},
		{index.IntentPush, contended, present, early, recorded, open, marked},
		{index.IntentPush, contended, present, over, recorded, ended, false},
		{index.IntentPush, contended, absent, early, removed, open, false},
		{index.IntentPush, contended, absent, over, removed, ended, false},
		{index.IntentDelete, alone, present, early, stays, open, false},
		{index.IntentDelete, alone, present, over, stays, ended, false},
		{index.IntentDelete, alone, absent, early, removed, open, false},
		{index.IntentDelete, alone, absent, over, removed, ended, false},
		{index.IntentDelete, contended, present, early, stays, open, false},
		{index.IntentDelete, contended, present, over, stays, ended, false},
		{index.IntentDelete, contended, absent, early, removed, open, false},
		{index.IntentDelete, contended, absent, over, removed, ended, false},
	}
}

// settling goes through the contract of Settle line by line, each with the
// manifest recorded before and not.
func settling(t *testing.T, open func(t *testing.T) index.Store) {
	for _, s := range settlements() {
		for _, before := range []bool{false, true} {
			title := fmt.Sprintf("%s contended %t present %t over %t recorded %t", s.kind, s.contended, s.present, s.over, before)
			t.Run(title, func(t *testing.T) {
				store := open(t)
				defer func() { must(t, store.Close()) }()
				s.check(t, store, before)
			})
		}
	}
	t.Run("import", func(t *testing.T) {
		store := open(t)
		defer func() { must(t, store.Close()) }()
		settledImport(t, store)
	})
}

func (s settlement) check(t *testing.T, store index.Store, before bool) {
	ctx := t.Context()
	record := signature("sig", name("subject"))
	if before {
		push(t, store, record)
	}
	id := begin(t, store, s.kind, record)
	if s.contended {
		other := index.IntentPush
		if s.kind == index.IntentPush {
			other = index.IntentDelete
		}
		begin(t, store, other, record)
	}
	// At the deadline itself the request may still be carried out.
	at := 60
	if s.over {
		at = 61
	}
	finding := index.Finding{Mark: mark(t, store), At: after(at), Present: s.present}
	must(t, store.Settle(ctx, id, finding))

	_, err := store.Get(ctx, repo, record.Digest)
	if err != nil && !errors.Is(err, index.ErrNotFound) {
		t.Fatal(err)
	}
	want := map[outcome]bool{stays: before, recorded: true, removed: false}[s.record]
	equal(t, "recorded", err == nil, want)

	// A delete shows only while there is something to delete.
	must(t, store.Observe(ctx, mark(t, store), record))
	intents := unsettled(t, store, name("subject"))
	i := slices.IndexFunc(intents, func(intent index.Intent) bool { return intent.ID == id })
	equal(t, "open", i >= 0, s.open)
	if i >= 0 {
		equal(t, "marked", intents[i].Recorded, s.marked)
		equal(t, "contended", intents[i].Contended, s.contended)
		equal(t, "deadline", intents[i].Deadline, after(60))
	}
}

func settledImport(t *testing.T, store index.Store) {
	ctx := t.Context()
	id := importOf(t, store, name("subject"))
	for _, finding := range []index.Finding{
		{At: after(61)},
		{At: after(60), Present: true},
	} {
		must(t, store.Settle(ctx, id, finding))
		equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{id})
	}
	must(t, store.Settle(ctx, id, index.Finding{At: after(61), Present: true}))
	equal(t, "open", unsettled(t, store, name("subject")), nil)
}
