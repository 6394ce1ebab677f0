package indextest

import (
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// remove removes some manifests.
func (h *history) remove(rt *rapid.T) {
	var keys []index.Key
	for range rapid.IntRange(1, 3).Draw(rt, "removed") {
		keys = append(keys, h.record(rt).Key())
	}
	at := after(rapid.IntRange(0, 6).Draw(rt, "at"))
	got, err := h.store.Remove(rt.Context(), at, keys...)
	h.check(rt, err)
	want, _ := h.model.Remove(rt.Context(), at, keys...)
	for i := range want {
		h.name(rt, want[i], got[i])
	}
}

// name notes the store's identifier of a removal, or checks that it is the same.
func (h *history) name(rt *rapid.T, model, store index.IntentID) {
	if known, named := h.names[model]; named {
		equal(rt, "identifier of a removal", store, known)
		return
	}
	h.names[model] = store
	h.given = append(h.given, model)
}

// nameReplaced names the removals that have begun with a push.
func (h *history) nameReplaced(rt *rapid.T) {
	for _, repository := range repositories() {
		want, _ := h.model.Removals(rt.Context(), repository, 0, 0)
		got := removalsOf(rt, h.store, repository)
		equal(rt, "number of removals", len(got), len(want))
		for i := range want {
			h.name(rt, want[i].ID, got[i].ID)
		}
	}
}

// compareRemovals reads the removals of a repository from both.
func (h *history) compareRemovals(repository string) {
	got := removalsOf(h.t, h.store, repository)
	want, _ := h.model.Removals(h.t.Context(), repository, 0, 0)
	for i := range want {
		want[i].ID = h.names[want[i].ID]
	}
	equal(h.t, "removals of "+repository, got, want)
	removing, err := h.store.Removing(h.t.Context(), repository, manifests())
	h.check(h.t, err)
	wanted := map[digest.Digest]index.IntentID{}
	for _, removal := range want {
		wanted[removal.Record.Digest] = removal.ID
	}
	equal(h.t, "being removed in "+repository, removing, wanted)
}

// carryOut begins a delete for a removal, which may have ended.
func (h *history) carryOut(rt *rapid.T) {
	id, record := h.intent(rt), h.record(rt)
	if removals, _ := h.model.Removals(rt.Context(), record.Repository, 0, 0); len(removals) > 0 && rapid.Bool().Draw(rt, "open") {
		removal := rapid.SampledFrom(removals).Draw(rt, "removal")
		id, record = removal.ID, removal.Record
	}
	intent := index.Intent{Kind: index.IntentDelete, Record: bare(record), Deadline: after(rapid.IntRange(0, 6).Draw(rt, "deadline")), CarriesOut: id}
	want, wantErr := h.model.Begin(rt.Context(), intent)
	intent.CarriesOut = h.names[id]
	got, err := h.store.Begin(rt.Context(), intent)
	h.same(rt, err, wantErr)
	if err == nil {
		h.names[want] = got
		h.given = append(h.given, want)
	}
}

// replaced draws what a push replaces, mostly nothing.
func (h *history) replaced(rt *rapid.T, record index.Record) (replaced []digest.Digest) {
	if rapid.IntRange(0, 2).Draw(rt, "replaces") > 0 {
		return nil
	}
	for _, d := range manifests() {
		if d != record.Digest && rapid.Bool().Draw(rt, "replaced") {
			replaced = append(replaced, d)
		}
	}
	return replaced
}
