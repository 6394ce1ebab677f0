package indextest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/backref/backref/index"
)

// Restore opens a store from what [index.Copier].Backup has written.
type Restore func(t *testing.T, backup io.Reader) index.Store

// RunBackup tests the copies of a Maintainer that is a Copier. Each call of
// open returns a new and empty one; RunBackup closes it, and what restore
// returns.
func RunBackup(t *testing.T, open func(t *testing.T) index.Store, restore Restore) {
	for name, tell := range map[string]func(t *testing.T, store copier, restore Restore){
		"a copy holds what the store holds":    copiedWhole,
		"a copy lives on by itself":            copiedApart,
		"changes go on while a copy is made":   copiedMeanwhile,
		"a copy that can't be written is none": copiedNowhere,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, open, []story{{"backup", func(t *testing.T, store index.Store) {
				keeper, is := store.(copier)
				if !is {
					t.Fatalf("%T is no Maintainer that copies itself", store)
				}
				tell(t, keeper, restore)
			}}})
		})
	}
}

// copier is a Maintainer that copies itself.
type copier interface {
	index.Maintainer
	index.Copier
	index.Listings
}

// restored opens a copy.
func restored(t *testing.T, backup io.Reader, restore Restore) copier {
	t.Helper()
	keeper, is := restore(t, backup).(copier)
	if !is {
		t.Fatal("the copy is no Maintainer that copies itself")
	}
	t.Cleanup(func() { must(t, keeper.Close()) })
	return keeper
}

func copiedWhole(t *testing.T, store copier, restore Restore) {
	all := spread()
	must(t, store.Observe(t.Context(), mark(t, store), all...))
	begin(t, store, index.IntentPush, signature("open", name("subject")))
	begin(t, store, index.IntentDelete, all[6])
	beginReplacing(t, store, signature("replacing", name("subject")), signature("open", name("subject")))
	removing(t, store, signature("removed", name("subject")))
	importOf(t, store, name("subject"))
	must(t, store.SetOutbox(t.Context(), true))
	must(t, store.Written(t.Context(), changes(t, store)[1]))
	saveListing(t, store, shown("one", 10), 0)
	write(t, store, index.BookGone, "a", "b")
	rebuilding(t, store)
	must(t, store.Fill(t.Context(), mark(t, store), []byte("checkpoint"), all[:4]...))

	var backup bytes.Buffer
	must(t, store.Backup(t.Context(), &backup))
	copied := restored(t, &backup, restore)
	equal(t, "records", walkRecords(t, copied, 4), all)
	equal(t, "listing", listed(t, copied, repo, name("subject")), listed(t, store, repo, name("subject")))
	equal(t, "parents", parentsOf(t, copied, name("{}")), parentsOf(t, store, name("{}")))
	want, err := store.Intents(t.Context(), 0, enough)
	must(t, err)
	got, err := copied.Intents(t.Context(), 0, enough)
	must(t, err)
	equal(t, "intents", got, want)
	equal(t, "removals", removalsOf(t, copied, ""), removalsOf(t, store, ""))
	equal(t, "outbox", changes(t, copied), changes(t, store))
	wantListing(t, copied, shown("one", 10), 0)
	wantJournal(t, copied, index.BookGone, "a", "b")
	checkpoint, err := copied.BeginRebuild(t.Context())
	must(t, err)
	equal(t, "checkpoint", string(checkpoint), "checkpoint")
	equal(t, "unfilled", walkUnfilled(t, copied, 4), all[4:])
}

func copiedApart(t *testing.T, store copier, restore Restore) {
	shared, here, there := signature("shared", name("subject")), signature("here", name("subject")), signature("there", name("subject"))
	push(t, store, shared)
	var backup bytes.Buffer
	must(t, store.Backup(t.Context(), &backup))
	copied := restored(t, &backup, restore)
	push(t, store, here)
	push(t, copied, there)
	remove(t, copied, shared)
	equal(t, "listing here", listed(t, store, repo, name("subject")), sorted(shared, here))
	equal(t, "listing there", listed(t, copied, repo, name("subject")), sorted(there))
}

// during calls act at the first write.
type during struct {
	bytes.Buffer
	act func()
}

func (d *during) Write(p []byte) (int, error) {
	if d.act != nil {
		d.act()
		d.act = nil
	}
	return d.Buffer.Write(p)
}

func copiedMeanwhile(t *testing.T, store copier, restore Restore) {
	const before, meanwhile = 20, 40
	numbered := func(i int) index.Record { return signature(fmt.Sprint(i), name("subject")) }
	for i := range before {
		push(t, store, numbered(i))
	}
	backup := &during{act: func() {
		for i := range meanwhile {
			push(t, store, numbered(before+i))
		}
	}}
	must(t, store.Backup(t.Context(), backup))
	equal(t, "entries here", len(listed(t, store, repo, name("subject"))), before+meanwhile)

	// It is of one instant: of what was pushed one after the other it has the
	// first ones, and of each all that comes of it.
	copied := restored(t, backup, restore)
	entries := listed(t, copied, repo, name("subject"))
	if len(entries) < before {
		t.Fatalf("%d entries, at least %d were there before", len(entries), before)
	}
	var want []index.Record
	for i := range entries {
		want = append(want, numbered(i))
	}
	equal(t, "listing", entries, sorted(want...))
	equal(t, "records", len(walkRecords(t, copied, enough)), len(entries))
	equal(t, "parents", len(parentsOf(t, copied, name("{}"))), len(entries))
	intents, err := copied.Intents(t.Context(), 0, enough)
	must(t, err)
	equal(t, "intents", intents, nil)
}

// full is a medium without space.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func copiedNowhere(t *testing.T, store copier, _ Restore) {
	push(t, store, signature("sig", name("subject")))
	errFull := errors.New("no space left")
	mustBe(t, store.Backup(t.Context(), full{errFull}), errFull)
	push(t, store, signature("other", name("subject")))
	equal(t, "entries", len(listed(t, store, repo, name("subject"))), 2)
}
