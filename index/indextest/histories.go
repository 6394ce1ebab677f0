package indextest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// histories makes the same random calls of a store and of the model, and
// compares all that can be read after each. A store that can be opened again
// is, at random moments. With upkeep the calls are those of [index.Maintainer].
func histories(t *testing.T, durable, upkeep bool, place func(t *testing.T) (open func() index.Store)) {
	rapid.Check(t, func(rt *rapid.T) {
		open := place(t)
		h := newHistory(rt, open())
		defer func() { must(t, h.store.Close()) }()
		actions := map[string]func(*rapid.T){
			"":        func(*rapid.T) { h.compare() },
			"push":    h.push,
			"delete":  h.delete,
			"import":  h.beginImport,
			"confirm": h.confirm,
			"cancel":  h.cancel,
			"settle":  h.settle,
			"again":   h.settle,
			"mark":    h.takeMark,
			"observe": h.observe,
			"unheld":  h.setUnheld,
			"made":    h.setMade,
			"remove":  h.remove,
			"carry":   h.carryOut,
		}
		if upkeep {
			h.addUpkeep(actions)
		}
		if durable {
			actions["reopen"] = func(rt *rapid.T) {
				h.check(rt, h.store.Close())
				h.use(open())
			}
		}
		rt.Repeat(actions)
	})
}

// history is one run.
type history struct {
	t     *rapid.T
	store index.Store
	// keeper is the store where it is a Maintainer, or nil.
	keeper index.Maintainer
	model  *Model
	// names are the store's identifiers of the model's intents.
	names map[index.IntentID]index.IntentID
	given []index.IntentID
	marks []marks
	// entered are the numbers of what the outbox held at the last look.
	entered map[listing]numbers
	// news are the numbers of the arrivals that there were at the last look.
	news  []numbers
	looks looks
}

func newHistory(t *rapid.T, store index.Store) *history {
	h := &history{t: t, model: NewModel(), names: map[index.IntentID]index.IntentID{}}
	h.use(store)
	return h
}

// use takes a store that was opened for that of the history.
func (h *history) use(store index.Store) {
	h.store, h.looks = store, looks{}
	h.keeper, _ = store.(index.Maintainer)
}

// marks are those of the store and of the model for the same moment.
type marks struct{ store, model index.Mark }

func (h *history) check(rt *rapid.T, err error) {
	if err != nil {
		rt.Fatal(err)
	}
}

// same checks that the store answers as the model does.
func (h *history) same(rt *rapid.T, got, want error) {
	if (want == nil) != (got == nil) || want != nil && !errors.Is(got, want) {
		rt.Fatalf("got error %v, want %v", got, want)
	}
}

// The universe is small, so that things meet: manifests refer to each other
// and to one thing that nobody pushed.
func repositories() []string { return []string{repo, sibling} }

func manifests() []digest.Digest {
	return []digest.Digest{name("a"), digest.SHA512.FromString("b"), name("c"), digest.SHA384.FromString("d")}
}

func subjects() []digest.Digest { return append(manifests(), name("nobody")) }

// record draws a record. The manifest decides on all that its digest covers.
func (h *history) record(rt *rapid.T) index.Record {
	i := rapid.IntRange(0, len(manifests())-1).Draw(rt, "manifest")
	record := index.Record{
		Repository: rapid.SampledFrom(repositories()).Draw(rt, "repository"),
		Manifest: index.Manifest{
			Digest:       manifests()[i],
			MediaType:    rapid.SampledFrom([]string{oci.MediaTypeImageManifest, oci.MediaTypeImageIndex}).Draw(rt, "media type"),
			Size:         int64(i),
			ArtifactType: fmt.Sprintf("type-%d", i%2),
		},
		Seen: after(rapid.IntRange(0, 3).Draw(rt, "seen")),
	}
	// The last has no subject.
	if i < len(manifests())-1 {
		record.Edges = append(record.Edges, index.Edge{Kind: index.EdgeSubject, Target: subjects()[(i+1)%2+3]})
		record.Annotations = map[string]string{"n": fmt.Sprint(i)}
	}
	record.Edges = append(record.Edges,
		index.Edge{Kind: index.EdgeLayer, Target: name("layer")},
		index.Edge{Kind: index.EdgeManifest, Target: manifests()[(i+1)%len(manifests())]})
	return record
}

func (h *history) begin(rt *rapid.T, intent index.Intent) {
	intent.Deadline = after(rapid.IntRange(0, 6).Draw(rt, "deadline"))
	got, err := h.store.Begin(rt.Context(), intent)
	h.check(rt, err)
	id, err := h.model.Begin(rt.Context(), intent)
	h.check(rt, err)
	for _, former := range h.names {
		if former == got {
			rt.Fatalf("identifier %d was given twice", got)
		}
	}
	h.names[id] = got
	h.given = append(h.given, id)
}

func (h *history) push(rt *rapid.T) {
	record := h.record(rt)
	h.begin(rt, index.Intent{Kind: index.IntentPush, Record: record, Replaces: h.replaced(rt, record)})
}

func (h *history) delete(rt *rapid.T) {
	record := h.record(rt)
	h.begin(rt, index.Intent{Kind: index.IntentDelete, Record: index.Record{
		Repository: record.Repository, Manifest: index.Manifest{Digest: record.Digest},
	}})
}

func (h *history) beginImport(rt *rapid.T) {
	h.begin(rt, index.Intent{
		Kind:   index.IntentImport,
		Record: index.Record{Repository: rapid.SampledFrom(repositories()).Draw(rt, "repository")},
		Tag:    oci.ReferrersTag(rapid.SampledFrom(subjects()).Draw(rt, "subject")),
	})
}

// intent draws one of the intents that there were, the last ones rather than
// the first.
func (h *history) intent(rt *rapid.T) index.IntentID {
	if len(h.given) == 0 {
		rt.Skip("no intent")
	}
	back := rapid.IntRange(0, min(len(h.given), 10)-1).Draw(rt, "intents back")
	return h.given[len(h.given)-1-back]
}

func (h *history) confirm(rt *rapid.T) {
	id, at := h.intent(rt), after(rapid.IntRange(0, 6).Draw(rt, "at"))
	h.same(rt, h.store.Confirm(rt.Context(), h.names[id], at), h.model.Confirm(rt.Context(), id, at))
	h.nameReplaced(rt)
}

func (h *history) cancel(rt *rapid.T) {
	id := h.intent(rt)
	h.same(rt, h.store.Cancel(rt.Context(), h.names[id]), h.model.Cancel(rt.Context(), id))
}

func (h *history) takeMark(rt *rapid.T) {
	var m marks
	var err error
	m.store, err = h.store.Mark(rt.Context())
	h.check(rt, err)
	m.model, err = h.model.Mark(rt.Context())
	h.check(rt, err)
	h.marks = append(h.marks, m)
}

// mark draws one of the marks that were taken, mostly the present one.
func (h *history) mark(rt *rapid.T) marks {
	if len(h.marks) == 0 || rapid.Bool().Draw(rt, "new mark") {
		h.takeMark(rt)
		return h.marks[len(h.marks)-1]
	}
	return rapid.SampledFrom(h.marks).Draw(rt, "mark")
}

func (h *history) settle(rt *rapid.T) {
	id, m := h.intent(rt), h.mark(rt)
	finding := index.Finding{
		Mark:    m.store,
		At:      after(rapid.IntRange(0, 8).Draw(rt, "at")),
		Present: rapid.Bool().Draw(rt, "present"),
	}
	got := h.store.Settle(rt.Context(), h.names[id], finding)
	finding.Mark = m.model
	h.same(rt, got, h.model.Settle(rt.Context(), id, finding))
	h.nameReplaced(rt)
}

func (h *history) observe(rt *rapid.T) {
	m := h.mark(rt)
	records := make([]index.Record, rapid.IntRange(0, 3).Draw(rt, "records"))
	for i := range records {
		records[i] = h.record(rt)
	}
	got := h.store.Observe(rt.Context(), m.store, records...)
	h.same(rt, got, h.model.Observe(rt.Context(), m.model, records...))
}

func (h *history) setUnheld(rt *rapid.T) {
	record, unheld := h.record(rt), rapid.Bool().Draw(rt, "unheld")
	got := h.store.SetUnheld(rt.Context(), record.Repository, record.Digest, unheld)
	h.same(rt, got, h.model.SetUnheld(rt.Context(), record.Repository, record.Digest, unheld))
}

// compare reads everything from both.
func (h *history) compare() {
	ctx := h.t.Context()
	for _, repository := range repositories() {
		h.compareRemovals(repository)
		got, err := h.store.Subjects(ctx, repository, manifests())
		h.check(h.t, err)
		want, _ := h.model.Subjects(ctx, repository, manifests())
		equal(h.t, "subjects", got, want)
		made, err := h.store.Made(ctx, repository, manifests())
		h.check(h.t, err)
		wanted, _ := h.model.Made(ctx, repository, manifests())
		equal(h.t, "when images were made", made, wanted)
		for _, d := range manifests() {
			got, gotErr := h.store.Get(ctx, repository, d)
			want, wantErr := h.model.Get(ctx, repository, d)
			h.same(h.t, gotErr, wantErr)
			equal(h.t, fmt.Sprintf("record %s", d), got, want)
		}
		for _, subject := range subjects() {
			query := index.Query{Dated: true}
			got, err := h.store.Referrers(ctx, repository, subject, query)
			h.check(h.t, err)
			want, _ := h.model.Referrers(ctx, repository, subject, query)
			equal(h.t, fmt.Sprintf("referrers of %s", subject), got, want)
			h.compareUnsettled(repository, subject)
			h.compareVersions(repository, subject)
		}
		for _, target := range append(subjects(), name("layer")) {
			got, err := h.store.Parents(ctx, repository, target, index.Parent{}, 0)
			h.check(h.t, err)
			want, _ := h.model.Parents(ctx, repository, target, index.Parent{}, 0)
			equal(h.t, fmt.Sprintf("parents of %s", target), got, want)
		}
	}
	if h.keeper != nil {
		h.compareUpkeep()
	}
}

func (h *history) compareUnsettled(repository string, subject digest.Digest) {
	got, err := h.store.Unsettled(h.t.Context(), repository, subject)
	h.check(h.t, err)
	want, _ := h.model.Unsettled(h.t.Context(), repository, subject)
	for i := range want {
		want[i].ID = h.names[want[i].ID]
	}
	equal(h.t, fmt.Sprintf("unsettled of %s", subject), got, want)
}
