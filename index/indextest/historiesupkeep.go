package indextest

import (
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// enough is a limit that no listing of the tests reaches.
const enough = 1000

// addUpkeep adds the calls of [index.Maintainer].
func (h *history) addUpkeep(actions map[string]func(*rapid.T)) {
	actions["forget"] = h.forget
	actions["correct"] = h.correct
	actions["begin rebuild"] = h.beginRebuild
	actions["fill"] = h.fill
	actions["fill again"] = h.fill
	actions["finish rebuild"] = h.finishRebuild
	actions["set outbox"] = h.setOutbox
	actions["written"] = h.written
	h.addNews(actions)
	h.addJournal(actions)
}

func (h *history) forget(rt *rapid.T) {
	record, m := h.record(rt), h.mark(rt)
	h.same(rt, h.keeper.Forget(rt.Context(), m.store, record.Repository, record.Digest),
		h.model.Forget(rt.Context(), m.model, record.Repository, record.Digest))
}

func (h *history) correct(rt *rapid.T) {
	record, m := h.record(rt), h.mark(rt)
	if rapid.Bool().Draw(rt, "moved") && record.Subject() != "" {
		record.Edges[0].Target = rapid.SampledFrom(subjects()).Draw(rt, "subject")
	}
	h.same(rt, h.keeper.Correct(rt.Context(), m.store, record), h.model.Correct(rt.Context(), m.model, record))
}

func (h *history) beginRebuild(rt *rapid.T) {
	got, err := h.keeper.BeginRebuild(rt.Context())
	h.check(rt, err)
	want, _ := h.model.BeginRebuild(rt.Context())
	equal(rt, "checkpoint", got, want)
}

func (h *history) fill(rt *rapid.T) {
	m := h.mark(rt)
	records := make([]index.Record, rapid.IntRange(0, 3).Draw(rt, "records"))
	for i := range records {
		records[i] = h.record(rt)
	}
	checkpoint := []byte(rapid.StringN(0, 3, -1).Draw(rt, "checkpoint"))
	h.same(rt, h.keeper.Fill(rt.Context(), m.store, checkpoint, records...),
		h.model.Fill(rt.Context(), m.model, checkpoint, records...))
}

// finishRebuild finishes or, less often, abandons it.
func (h *history) finishRebuild(rt *rapid.T) {
	if rapid.IntRange(0, 2).Draw(rt, "fate") == 0 {
		h.check(rt, h.keeper.AbandonRebuild(rt.Context()))
		h.check(rt, h.model.AbandonRebuild(rt.Context()))
		return
	}
	h.same(rt, h.keeper.FinishRebuild(rt.Context()), h.model.FinishRebuild(rt.Context()))
}

// setOutbox turns it on rather than off.
func (h *history) setOutbox(rt *rapid.T) {
	on := rapid.IntRange(0, 4).Draw(rt, "off") > 0
	h.check(rt, h.keeper.SetOutbox(rt.Context(), on))
	h.check(rt, h.model.SetOutbox(rt.Context(), on))
}

// written takes an entry out, sometimes one that has changed since.
func (h *history) written(rt *rapid.T) {
	if len(h.entered) == 0 {
		rt.Skip("no entry")
	}
	at := listing{
		rapid.SampledFrom(repositories()).Draw(rt, "repository"),
		rapid.SampledFrom(subjects()).Draw(rt, "subject"),
	}
	n, entered := h.entered[at]
	if !entered {
		rt.Skip("no such entry")
	}
	if rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
		n.store, n.model = n.store-1, n.model-1
	}
	h.check(rt, h.keeper.Written(rt.Context(), index.Change{Number: n.store, Repository: at.repository, Subject: at.subject}))
	h.check(rt, h.model.Written(rt.Context(), index.Change{Number: n.model, Repository: at.repository, Subject: at.subject}))
}

// listing is what an entry of the outbox is about; numbers are those under
// which store and model have entered it.
type listing struct {
	repository string
	subject    digest.Digest
}

type numbers struct{ store, model uint64 }

// compareUpkeep reads all that [index.Maintainer] shows from both.
func (h *history) compareUpkeep() {
	ctx := h.t.Context()
	records, err := h.keeper.Records(ctx, index.Key{}, enough)
	h.check(h.t, err)
	wantRecords, _ := h.model.Records(ctx, index.Key{}, enough)
	equal(h.t, "records", records, wantRecords)

	intents, err := h.keeper.Intents(ctx, 0, enough)
	h.check(h.t, err)
	wantIntents, _ := h.model.Intents(ctx, 0, enough)
	for i := range wantIntents {
		wantIntents[i].ID = h.names[wantIntents[i].ID]
	}
	equal(h.t, "intents", intents, wantIntents)

	stats, err := h.keeper.Stats(ctx)
	h.check(h.t, err)
	wantStats, _ := h.model.Stats(ctx)
	wantStats.Bytes = stats.Bytes
	equal(h.t, "stats", stats, wantStats)

	unfilled, scanned, err := h.keeper.Unfilled(ctx, index.Key{}, enough)
	wantUnfilled, _, wantErr := h.model.Unfilled(ctx, index.Key{}, enough)
	h.same(h.t, err, wantErr)
	equal(h.t, "unfilled", unfilled, wantUnfilled)
	equal(h.t, "end of the unfilled", scanned, index.Key{})
	h.compareOutbox()
	h.compareNews()
	h.compareJournal()
}

// compareOutbox checks that both hold the same entries, and have entered the
// same ones anew since the last look. In which order a change enters two is
// left to the store.
func (h *history) compareOutbox() {
	got, err := h.keeper.Changed(h.t.Context(), 0, enough)
	h.check(h.t, err)
	want, _ := h.model.Changed(h.t.Context(), 0, enough)
	entered := make(map[listing]numbers)
	for _, c := range want {
		entered[listing{c.Repository, c.Subject}] = numbers{model: c.Number}
	}
	last := uint64(0)
	for _, c := range got {
		at := listing{c.Repository, c.Subject}
		n, wanted := entered[at]
		if !wanted || n.store != 0 {
			h.t.Fatalf("%v is in the outbox, which holds %v", c, want)
		}
		if c.Number <= last {
			h.t.Fatalf("%v stands behind number %d", c, last)
		}
		last, n.store = c.Number, c.Number
		entered[at] = n
		before, was := h.entered[at]
		if was && (before.store == n.store) != (before.model == n.model) {
			h.t.Fatalf("%v was entered anew: %t, want %t", c, before.store != n.store, before.model != n.model)
		}
	}
	if len(got) != len(want) {
		h.t.Fatalf("the outbox holds\n%v\nwant\n%v", got, want)
	}
	h.entered = entered
}
