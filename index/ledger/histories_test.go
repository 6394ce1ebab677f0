package ledger_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/ledger"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"
)

// TestHistories makes the same random calls of the rules and of the model that
// the stores are checked against. What the rules change is saved after each
// call, or after several together, as one store or the other does.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{rt: rt, book: newBook(), model: indextest.NewModel(), names: map[index.IntentID]index.IntentID{}}
		rt.Repeat(map[string]func(*rapid.T){
			"":        func(*rapid.T) {},
			"save":    func(*rapid.T) { h.compare() },
			"mark":    func(*rapid.T) { h.takeMark() },
			"push":    func(rt *rapid.T) { h.begin(rt, index.IntentPush) },
			"delete":  func(rt *rapid.T) { h.begin(rt, index.IntentDelete) },
			"import":  func(rt *rapid.T) { h.begin(rt, index.IntentImport) },
			"confirm": h.confirm,
			"cancel":  h.cancel,
			"settle":  h.settle,
			"again":   h.settle,
			"observe": h.observe,
			"rebuild": h.rebuild,
			"fill":    h.fill,
			"correct": h.correct,
			"forget":  h.forget,
			"remove":  h.remove,
			"carry":   h.carryOut,
		})
		h.compare()
	})
}

type history struct {
	rt    *rapid.T
	book  *book
	model *indextest.Model
	// names are the book's identifiers of the model's intents.
	names map[index.IntentID]index.IntentID
	given []index.IntentID
	marks []marks
}

// marks are those of the book and of the model for the same moment.
type marks struct{ book, model index.Mark }

// same checks that the rules answer as the model does.
func (h *history) same(got, want error) {
	if (got == nil) != (want == nil) || want != nil && !errors.Is(got, want) {
		h.rt.Fatalf("got error %v, want %v", got, want)
	}
}

// compare ends a transaction, and reads everything from both.
func (h *history) compare() {
	h.book.save()
	s := &h.book.state
	h.book.state = ledger.State{Sequence: s.Sequence, Building: s.Building}
	ctx := h.rt.Context()
	for _, d := range manifests() {
		got, found := h.book.records[ledger.Live][index.Key{Repository: repo, Digest: d}]
		want, err := h.model.Get(ctx, repo, d)
		if found != (err == nil) {
			h.rt.Fatalf("recorded %v, model says %v", found, err)
		}
		h.equal(got.Record, want)
	}
	want, err := h.model.Intents(ctx, 0, 1000)
	h.same(err, nil)
	removals, err := h.model.Removals(ctx, "", 0, 0)
	h.same(err, nil)
	want = append(want, removals...)
	var got []index.Intent
	for _, intent := range want {
		intent, open := h.book.intents[h.names[intent.ID]]
		if open {
			got = append(got, intent)
		}
	}
	for i := range want {
		want[i].ID = h.names[want[i].ID]
	}
	h.equal(len(h.book.intents), len(want))
	h.equal(append([]index.Intent{}, got...), append([]index.Intent{}, want...))
	stats, err := h.model.Stats(ctx)
	h.same(err, nil)
	if s.Building {
		h.equal(int64(len(h.book.records[ledger.Next])), stats.Rebuilding)
	}
}

func (h *history) takeMark() {
	h.compare()
	mark, err := h.model.Mark(h.rt.Context())
	h.same(err, nil)
	h.marks = append(h.marks, marks{h.book.mark(), mark})
}

func (h *history) mark(rt *rapid.T) marks {
	if len(h.marks) == 0 || rapid.Bool().Draw(rt, "new mark") {
		h.takeMark()
		return h.marks[len(h.marks)-1]
	}
	return rapid.SampledFrom(h.marks).Draw(rt, "mark")
}

// The universe is small, so that things meet.
func manifests() []digest.Digest {
	return []digest.Digest{digest.FromString("a"), digest.FromString("b")}
}

func (h *history) record(rt *rapid.T) index.Record {
	r := signature()
	r.Digest = rapid.SampledFrom(manifests()).Draw(rt, "manifest")
	r.Seen = second(rapid.IntRange(0, 3).Draw(rt, "seen"))
	if rapid.Bool().Draw(rt, "other subject") {
		r.Edges = of("another").Edges
	}
	return r
}

func (h *history) records(rt *rapid.T) []index.Record {
	records := make([]index.Record, rapid.IntRange(0, 3).Draw(rt, "records"))
	for i := range records {
		records[i] = h.record(rt)
	}
	return records
}

func (h *history) begin(rt *rapid.T, kind index.IntentKind) {
	intent := index.Intent{Kind: kind, Deadline: second(rapid.IntRange(0, 6).Draw(rt, "deadline"))}
	switch record := h.record(rt); kind {
	case index.IntentPush:
		intent.Record = record
		if rapid.IntRange(0, 2).Draw(rt, "replaces") == 0 {
			for _, d := range manifests() {
				if d != record.Digest {
					intent.Replaces = append(intent.Replaces, d)
				}
			}
		}
	case index.IntentDelete:
		intent.Record.Repository, intent.Record.Digest = repo, record.Digest
	default:
		intent.Record.Repository, intent.Tag = repo, record.Digest.Encoded()
	}
	id, err := h.model.Begin(rt.Context(), intent)
	h.same(err, nil)
	h.names[id] = h.book.begin(intent)
	h.given = append(h.given, id)
}

// remove removes one manifest or both.
func (h *history) remove(rt *rapid.T) {
	var keys []index.Key
	for range rapid.IntRange(1, 2).Draw(rt, "removed") {
		keys = append(keys, h.record(rt).Key())
	}
	at := second(rapid.IntRange(0, 6).Draw(rt, "at"))
	want, err := h.model.Remove(rt.Context(), at, keys...)
	h.same(err, nil)
	for i, id := range h.book.remove(at, keys...) {
		h.sameRemoval(want[i], id)
	}
	h.nameReplaced()
}

// sameRemoval names a removal, or checks that it has its name.
func (h *history) sameRemoval(model, book index.IntentID) {
	if name, named := h.names[model]; named {
		h.equal(book, name)
		return
	}
	h.names[model] = book
	h.given = append(h.given, model)
}

// nameReplaced names the removals that rules have begun by themselves.
func (h *history) nameReplaced() {
	intents, err := h.model.Removals(h.rt.Context(), repo, 0, 0)
	h.same(err, nil)
	for _, want := range intents {
		if _, named := h.names[want.ID]; named {
			continue
		}
		h.book.save()
		for id, intent := range h.book.intents {
			if intent.Kind == index.IntentRemoval && intent.Record.Digest == want.Record.Digest {
				h.sameRemoval(want.ID, id)
			}
		}
	}
}

// carryOut begins a delete for a removal, which may have ended.
func (h *history) carryOut(rt *rapid.T) {
	id, record := h.intent(rt), h.record(rt)
	intent := index.Intent{Kind: index.IntentDelete, Deadline: second(rapid.IntRange(0, 6).Draw(rt, "deadline")), CarriesOut: id}
	intent.Record.Repository, intent.Record.Digest = repo, record.Digest
	want, wantErr := h.model.Begin(rt.Context(), intent)
	intent.CarriesOut = h.names[id]
	got, err := h.book.tryBegin(intent)
	h.same(err, wantErr)
	if err == nil {
		h.names[want] = got
		h.given = append(h.given, want)
	}
}

// intent draws one of the intents that there were.
func (h *history) intent(rt *rapid.T) index.IntentID {
	if len(h.given) == 0 {
		rt.Skip("no intent")
	}
	return h.given[len(h.given)-1-rapid.IntRange(0, min(len(h.given), 6)-1).Draw(rt, "intents back")]
}

func (h *history) confirm(rt *rapid.T) {
	id, at := h.intent(rt), second(rapid.IntRange(0, 6).Draw(rt, "at"))
	h.same(h.book.confirm(h.names[id], at), h.model.Confirm(rt.Context(), id, at))
	h.nameReplaced()
}

func (h *history) cancel(rt *rapid.T) {
	id := h.intent(rt)
	h.same(h.book.cancel(h.names[id]), h.model.Cancel(rt.Context(), id))
}

func (h *history) settle(rt *rapid.T) {
	id, m := h.intent(rt), h.mark(rt)
	finding := index.Finding{Mark: m.book, At: second(rapid.IntRange(0, 8).Draw(rt, "at")), Present: rapid.Bool().Draw(rt, "present")}
	got := h.book.settle(h.names[id], finding)
	finding.Mark = m.model
	h.same(got, h.model.Settle(rt.Context(), id, finding))
	h.nameReplaced()
}

func (h *history) observe(rt *rapid.T) {
	m, records := h.mark(rt), h.records(rt)
	h.same(h.book.observe(m.book, records...), h.model.Observe(rt.Context(), m.model, records...))
}

// rebuild begins a rebuild, or finishes or abandons the one under way: that
// swaps and drops generations, which is left to stores.
func (h *history) rebuild(rt *rapid.T) {
	h.compare()
	b := h.book
	if !b.state.Building {
		_, err := h.model.BeginRebuild(rt.Context())
		h.same(err, nil)
		b.state.Building = true
		return
	}
	b.state.Building = false
	if rapid.Bool().Draw(rt, "finish") {
		h.same(h.model.FinishRebuild(rt.Context()), nil)
		b.records[ledger.Live] = b.records[ledger.Next]
	} else {
		h.same(h.model.AbandonRebuild(rt.Context()), nil)
	}
	b.records[ledger.Next] = map[index.Key]kept{}
}

func (h *history) fill(rt *rapid.T) {
	m, records := h.mark(rt), h.records(rt)
	h.same(h.book.fill(m.book, records...), h.model.Fill(rt.Context(), m.model, nil, records...))
}

func (h *history) correct(rt *rapid.T) {
	m, record := h.mark(rt), h.record(rt)
	h.same(h.book.correct(m.book, record), h.model.Correct(rt.Context(), m.model, record))
}

func (h *history) forget(rt *rapid.T) {
	m, record := h.mark(rt), h.record(rt)
	h.same(h.book.forget(m.book, record.Key()), h.model.Forget(rt.Context(), m.model, repo, record.Digest))
}

func (h *history) equal(got, want any) {
	if !reflect.DeepEqual(got, want) {
		h.rt.Fatalf("got %+v\nwant %+v", got, want)
	}
}
