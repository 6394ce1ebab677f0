package indextest

import (
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// other returns the manifest that another one replaces.
func (w *world) other(record index.Record) index.Record {
	all := w.manifests()
	return all[1-slices.IndexFunc(all, func(r index.Record) bool { return r.Digest == record.Digest })]
}

func (w *world) what(manifest digest.Digest) string {
	for _, record := range w.manifests() {
		if record.Digest == manifest {
			return record.Annotations["org.example.what"]
		}
	}
	return ""
}

// remove decides that a manifest, or both, be removed.
func (w *world) remove(rt *rapid.T) {
	w.tick++
	record := rapid.SampledFrom(w.manifests()).Draw(rt, "removed")
	_, err := w.store.Remove(rt.Context(), w.now(), record.Key())
	w.check(err)
	w.busy[record.Digest] = w.tick
	rt.Log("removed", w.what(record.Digest))
}

// carryOut starts a writer that deletes what is to be removed.
func (w *world) carryOut(rt *rapid.T) {
	if len(w.writers) == crowd {
		rt.Skip("enough writers")
	}
	removals := removalsOf(rt, w.store, repo)
	if len(removals) == 0 {
		rt.Skip("no removal")
	}
	w.tick++
	w.carry(rapid.SampledFrom(removals).Draw(rt, "removal"), w.tick+rapid.IntRange(1, longest).Draw(rt, "deadline"))
}

// carry begins the delete of a removal. Where it may begin the registry does not have
// the manifest by an acknowledged push that has begun since the removal did.
func (w *world) carry(removal index.Intent, end int) {
	manifest := removal.Record.Digest
	intent := index.Intent{Kind: index.IntentDelete, Record: bare(removal.Record), Deadline: after(end), CarriesOut: removal.ID}
	if refused := w.start(intent, end); !refused && w.holds[manifest] && w.acked[manifest].push > removal.ID {
		w.rt.Fatalf("%s would be deleted, which was pushed after its removal", w.what(manifest))
	}
}

// acked is the push of a manifest that was acknowledged and has begun last, and when
// one was acknowledged last.
type acked struct {
	push index.IntentID
	tick int
}

// mayHide tells whether a manifest that the registry has may be shown no more by who
// has begun to read at a tick: its removal is open, and no push of it that has begun
// since was acknowledged before that.
func (w *world) mayHide(manifest digest.Digest, started int) bool {
	return slices.ContainsFunc(removalsOf(w.rt, w.store, repo), func(removal index.Intent) bool {
		known := w.acked[manifest]
		return removal.Record.Digest == manifest && (removal.ID > known.push || known.tick >= started)
	})
}

// carryOutAll deletes all that is to be removed, and checks that nothing is left to
// be, and what is shown then.
func (w *world) carryOutAll() {
	ctx := w.rt.Context()
	w.tick += 2 * longest
	for _, removal := range removalsOf(w.rt, w.store, repo) {
		w.carry(removal, w.tick+1)
		if len(w.writers) == 0 {
			w.rt.Fatalf("nobody may remove %s", w.what(removal.Record.Digest))
		}
		w.holds[removal.Record.Digest] = false
		w.check(w.store.Confirm(ctx, w.writers[0].intent.ID, w.now()))
		w.writers = nil
	}
	equal(w.rt, "removals at last", removalsOf(w.rt, w.store, repo), nil)
	for _, record := range w.manifests() {
		_, err := w.store.Get(ctx, repo, record.Digest)
		if shown := err == nil; shown != w.holds[record.Digest] || !shown && !errors.Is(err, index.ErrNotFound) {
			w.rt.Fatalf("%s is recorded: %t, but the registry has it: %t", w.what(record.Digest), shown, w.holds[record.Digest])
		}
	}
}
