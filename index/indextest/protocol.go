package indextest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// protocol lets writers, readers and pullers work in front of an imagined
// registry, one step of one of them at a time in any order, and checks what the
// contract is for: a listing shows exactly what the registry holds, unless that
// changed while it was made.
//
// Writers may die after each step, so that the registry carries requests out
// that nobody confirms; what it does with a request it does before its
// deadline.
//
// Manifests are removed as well, by whoever decides so and by pushes that replace
// them, and somebody carries the removals out. What is being removed may be shown no
// more while the registry has it still, but for one that was pushed since.
//
// With upkeep a rebuild and a patrol are at work as well.
func protocol(t *testing.T, upkeep bool, open func(t *testing.T) index.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		store := open(t)
		defer func() { must(t, store.Close()) }()
		w := newWorld(rt, store)
		actions := map[string]func(*rapid.T){
			"writer starts": w.startWriter,
			"writer":        w.stepWriter,
			"writer again":  w.stepWriter,
			"reader starts": w.startReader,
			"reader":        w.stepReader,
			"reader again":  w.stepReader,
			"puller":        w.stepPuller,
			"remove":        w.remove,
			"carry out":     w.carryOut,
			"time":          w.pass,
		}
		if upkeep {
			w.addUpkeep(actions)
		}
		rt.Repeat(actions)
		w.writers = nil
		w.tick += 2 * longest
		for w.rebuild != nil {
			w.stepRebuild(rt)
		}
		last := &reader{world: w}
		for !last.step() {
			w.tick++
		}
		w.carryOutAll()
	})
}

const (
	// longest is the most time that a request takes.
	longest = 40
	// crowd bounds the writers and the readers at work.
	crowd = 5
)

// world is an imagined registry with one subject, and who works in front of it.
type world struct {
	rt      *rapid.T
	store   index.Store
	tick    int
	holds   map[digest.Digest]bool
	changed map[digest.Digest]int
	// busy is when a writer of the manifest was last alive.
	busy    map[digest.Digest]int
	writers []*writer
	readers []*reader
	pull    *pull
	// keeper is the store, where there is upkeep.
	keeper  index.Maintainer
	rebuild *rebuild
	patrol  *question
	// acked is the last of the pushes of a manifest that were acknowledged.
	acked map[digest.Digest]acked
}

func newWorld(rt *rapid.T, store index.Store) *world {
	return &world{
		rt: rt, store: store, holds: map[digest.Digest]bool{}, changed: map[digest.Digest]int{}, busy: map[digest.Digest]int{}, acked: map[digest.Digest]acked{},
	}
}

// now is a moment that no other step has.
func (w *world) now() time.Time { return after(w.tick) }

func (w *world) pass(rt *rapid.T) { w.tick += rapid.IntRange(1, longest).Draw(rt, "ticks") }

func (w *world) manifests() []index.Record {
	return []index.Record{signature("one", name("subject")), signature("two", name("subject"))}
}

func (w *world) check(err error) {
	if err != nil {
		w.rt.Fatal(err)
	}
}

// writer is a push or delete: it begins, is carried out or refused, and
// answers.
type writer struct {
	intent index.Intent
	end    int
	done   bool
}

func (w *world) startWriter(rt *rapid.T) {
	if len(w.writers) == crowd {
		rt.Skip("enough writers")
	}
	w.tick++
	record := w.manifests()[rapid.IntRange(0, 1).Draw(rt, "manifest")]
	end := w.tick + rapid.IntRange(1, longest).Draw(rt, "deadline")
	intent := index.Intent{Kind: index.IntentPush, Record: record, Deadline: after(end)}
	if rapid.Bool().Draw(rt, "delete") {
		intent.Kind = index.IntentDelete
		intent.Record = bare(record)
	} else if rapid.IntRange(0, 3).Draw(rt, "replaces") == 0 {
		intent.Replaces = []digest.Digest{w.other(record).Digest}
	}
	w.start(intent, end)
}

// start begins an intent that may be refused, and has a writer carry it out.
func (w *world) start(intent index.Intent, end int) (refused bool) {
	rt, record := w.rt, intent.Record
	id, err := w.store.Begin(rt.Context(), intent)
	if intent.CarriesOut != 0 && errors.Is(err, index.ErrStale) {
		return true
	}
	w.check(err)
	intent.ID = id
	rt.Log("writer", id, intent.Kind, w.what(record.Digest), "replaces", len(intent.Replaces), "carries out", intent.CarriesOut, "until", end)
	w.writers = append(w.writers, &writer{intent: intent, end: end})
	w.touch(intent)
	return false
}

// touch notes that a writer is alive, whose answer may change what is shown of a
// manifest, and of what it replaces.
func (w *world) touch(intent index.Intent) {
	for _, d := range append([]digest.Digest{intent.Record.Digest}, intent.Replaces...) {
		w.busy[d] = w.tick
	}
}

func (w *world) stepWriter(rt *rapid.T) {
	if len(w.writers) == 0 {
		rt.Skip("no writer")
	}
	w.tick++
	i := rapid.IntRange(0, len(w.writers)-1).Draw(rt, "writer")
	writer := w.writers[i]
	manifest := writer.intent.Record.Digest
	w.touch(writer.intent)
	leave := func() { w.writers = slices.Delete(w.writers, i, i+1) }
	switch dies := rapid.IntRange(0, 9).Draw(rt, "fate") == 0; {
	case writer.done && dies:
		rt.Log("answer of", writer.intent.ID, "is lost")
		leave()
	case writer.done:
		rt.Log("answer of", writer.intent.ID)
		w.check(w.store.Confirm(rt.Context(), writer.intent.ID, w.now()))
		if writer.intent.Kind == index.IntentPush {
			w.acked[manifest] = acked{max(w.acked[manifest].push, writer.intent.ID), w.tick}
		}
		leave()
	case w.tick > writer.end:
		leave()
	case dies:
		rt.Log("refused", writer.intent.ID)
		w.check(w.store.Cancel(rt.Context(), writer.intent.ID))
		leave()
	default:
		rt.Log("carried out", writer.intent.ID)
		writer.done = true
		holds := writer.intent.Kind == index.IntentPush
		if w.holds[manifest] != holds {
			w.holds[manifest] = holds
			w.changed[manifest] = w.tick
		}
	}
}

// pull reads a manifest from the registry and has it recorded later.
type pull struct {
	mark    index.Mark
	records []index.Record
}

func (w *world) stepPuller(rt *rapid.T) {
	w.tick++
	switch p := w.pull; {
	case p == nil:
		mark, err := w.store.Mark(rt.Context())
		w.check(err)
		w.pull = &pull{mark: mark}
	case p.records == nil:
		p.records = []index.Record{}
		for _, record := range w.manifests() {
			if w.holds[record.Digest] && rapid.Bool().Draw(rt, "pulled") {
				p.records = append(p.records, record)
			}
		}
	default:
		err := w.store.Observe(rt.Context(), p.mark, p.records...)
		if !errors.Is(err, index.ErrStale) {
			w.check(err)
		}
		rt.Log("observe", len(p.records), err)
		w.pull = nil
	}
}

// reader makes a listing: it reads the open intents, asks the registry for
// each, settles them by the answers, and lists. What was overtaken makes it
// start again.
type reader struct {
	world *world
	// inside says that it runs where the writers do, and leaves out the intents
	// of those at work.
	inside bool

	started  int
	begun    bool
	marked   bool
	mark     index.Mark
	intents  []index.Intent
	findings []index.Finding
	settled  int
}

func (w *world) startReader(rt *rapid.T) {
	if len(w.readers) == crowd {
		rt.Skip("enough readers")
	}
	w.readers = append(w.readers, &reader{world: w, inside: rapid.Bool().Draw(rt, "inside")})
}

func (w *world) stepReader(rt *rapid.T) {
	if len(w.readers) == 0 {
		rt.Skip("no reader")
	}
	w.tick++
	i := rapid.IntRange(0, len(w.readers)-1).Draw(rt, "reader")
	if w.readers[i].step() {
		w.readers = slices.Delete(w.readers, i, i+1)
	}
}

// step reports whether the reader is through.
func (r *reader) step() bool {
	w, ctx := r.world, r.world.rt.Context()
	switch {
	case !r.begun:
		r.begin()
	case !r.marked:
		mark, err := w.store.Mark(ctx)
		w.check(err)
		r.mark, r.marked = mark, true
	case len(r.findings) < len(r.intents):
		intent := r.intents[len(r.findings)]
		r.findings = append(r.findings, index.Finding{Mark: r.mark, At: w.now(), Present: w.holds[intent.Record.Digest]})
	case r.settled < len(r.findings):
		intent, finding := r.intents[r.settled], r.findings[r.settled]
		err := w.store.Settle(ctx, intent.ID, finding)
		w.rt.Log("settle", intent.ID, intent.Kind, finding.Present, err)
		if errors.Is(err, index.ErrStale) {
			*r = reader{world: w, inside: r.inside}
			return false
		}
		w.check(err)
		r.settled++
	default:
		r.list()
		return true
	}
	return false
}

func (r *reader) begin() {
	w := r.world
	intents, err := w.store.Unsettled(w.rt.Context(), repo, name("subject"))
	w.check(err)
	for _, intent := range intents {
		early := intent.Recorded && !intent.Contended && w.now().Before(intent.Deadline)
		if early || r.inside && w.atWork(intent.ID) {
			continue
		}
		r.intents = append(r.intents, intent)
	}
	r.begun, r.started = true, w.tick
}

func (w *world) atWork(id index.IntentID) bool {
	return slices.ContainsFunc(w.writers, func(w *writer) bool { return w.intent.ID == id })
}

// list lists and checks what is shown.
func (r *reader) list() {
	w := r.world
	page, err := w.store.Referrers(w.rt.Context(), repo, name("subject"), index.Query{})
	w.check(err)
	for _, record := range w.manifests() {
		shown := slices.ContainsFunc(page.Referrers, func(e index.Referrer) bool { return e.Digest == record.Digest })
		if w.changed[record.Digest] >= r.started || shown == w.holds[record.Digest] || !shown && w.mayHide(record.Digest, r.started) {
			continue
		}
		if r.inside && (w.busy[record.Digest] >= r.started || w.atWorkOn(record.Digest)) {
			continue
		}
		w.rt.Fatal(fmt.Sprintf("%s is shown: %t, but the registry has it: %t", record.Annotations["org.example.what"], shown, w.holds[record.Digest]))
	}
}

func (w *world) atWorkOn(manifest digest.Digest) bool {
	return slices.ContainsFunc(w.writers, func(w *writer) bool {
		return w.intent.Record.Digest == manifest || slices.Contains(w.intent.Replaces, manifest)
	})
}
