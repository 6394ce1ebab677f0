package indextest

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// addNews adds the calls of [index.News] that change something.
func (h *history) addNews(actions map[string]func(*rapid.T)) {
	actions["set news"] = func(rt *rapid.T) {
		on := rapid.IntRange(0, 4).Draw(rt, "off") > 0
		h.check(rt, h.keeper.SetNews(rt.Context(), on))
		h.check(rt, h.model.SetNews(rt.Context(), on))
	}
	actions["trim news"] = func(rt *rapid.T) {
		if len(h.news) == 0 {
			rt.Skip("no news")
		}
		through, limit := rapid.SampledFrom(h.news).Draw(rt, "through"), rapid.IntRange(0, 3).Draw(rt, "limit")
		got, err := h.keeper.TrimNews(rt.Context(), through.store, limit)
		h.check(rt, err)
		want, _ := h.model.TrimNews(rt.Context(), through.model, limit)
		equal(rt, "dropped", got, want)
	}
	actions["observe old"] = func(rt *rapid.T) {
		record, m := h.record(rt), h.mark(rt)
		record.Old = true
		h.same(rt, h.store.Observe(rt.Context(), m.store, record), h.model.Observe(rt.Context(), m.model, record))
	}
}

// compareNews checks that both have the same arrivals, in one order, by growing
// numbers.
func (h *history) compareNews() {
	ctx := h.t.Context()
	got, err := h.keeper.Arrivals(ctx, 0, enough)
	h.check(h.t, err)
	want, _ := h.model.Arrivals(ctx, 0, enough)
	h.news = h.news[:0]
	last := uint64(0)
	for i, a := range got {
		if a.Number <= last {
			h.t.Fatalf("arrival %d stands behind %d", a.Number, last)
		}
		last = a.Number
		if i < len(want) {
			h.news = append(h.news, numbers{store: a.Number, model: want[i].Number})
		}
	}
	equal(h.t, "arrivals", recordsOf(got), recordsOf(want))
	n, err := h.keeper.CountNews(ctx)
	h.check(h.t, err)
	equal(h.t, "number of arrivals", n, len(want))
	for _, repository := range append(repositories(), "") {
		latest, err := h.keeper.Latest(ctx, repository, 0, enough)
		h.check(h.t, err)
		of := slices.DeleteFunc(slices.Clone(got), func(a index.Arrival) bool { return repository != "" && a.Record.Repository != repository })
		slices.Reverse(of)
		equal(h.t, "the latest", latest, of)
	}
}

// recordsOf returns what has arrived.
func recordsOf(arrivals []index.Arrival) []index.Record {
	records := make([]index.Record, len(arrivals))
	for i, a := range arrivals {
		records[i] = a.Record
	}
	return records
}
