package indextest

import (
	"errors"

	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

// addUpkeep lets a rebuild and a patrol work in the world.
func (w *world) addUpkeep(actions map[string]func(*rapid.T)) {
	keeper, is := w.store.(index.Maintainer)
	if !is {
		w.rt.Fatalf("%T is no Maintainer", w.store)
	}
	w.keeper = keeper
	actions["rebuild"] = w.stepRebuild
	actions["rebuild again"] = w.stepRebuild
	actions["patrol"] = w.stepPatrol
}

// question is put to the registry: a mark is taken, it is asked, and what it
// says is used, a step each.
type question struct {
	record  index.Record
	marked  bool
	mark    index.Mark
	asked   bool
	present bool
}

// step reports whether there is an answer to be used.
func (q *question) step(w *world) bool {
	switch {
	case !q.marked:
		mark, err := w.store.Mark(w.rt.Context())
		w.check(err)
		q.mark, q.marked = mark, true
	case !q.asked:
		q.present, q.asked = w.holds[q.record.Digest], true
	default:
		return true
	}
	return false
}

// stepPatrol forgets what the registry has not.
func (w *world) stepPatrol(rt *rapid.T) {
	w.tick++
	if w.patrol == nil {
		w.patrol = &question{record: rapid.SampledFrom(w.manifests()).Draw(rt, "patrolled")}
	}
	q := w.patrol
	if !q.step(w) {
		return
	}
	w.patrol = nil
	if q.present {
		return
	}
	err := w.keeper.Forget(rt.Context(), q.mark, q.record.Repository, q.record.Digest)
	rt.Log("forget", q.record.Annotations["org.example.what"], err)
	if !errors.Is(err, index.ErrStale) {
		w.check(err)
	}
}

// rebuild reads what a list of the registry names, which may not be all, then
// asks for what it has not got, and swaps.
type rebuild struct {
	todo    []index.Record
	at      *question
	keeping bool
	// copying says that the record is taken over as long as it is live.
	copying bool
}

func (w *world) stepRebuild(rt *rapid.T) {
	w.tick++
	r := w.rebuild
	switch {
	case r == nil:
		w.beginRebuild(rt)
	case rapid.IntRange(0, 19).Draw(rt, "rebuild's fate") == 0:
		rt.Log("the rebuild dies")
		w.rebuild = nil
	case len(r.todo) > 0:
		w.readOne(rt, r)
	case !r.keeping:
		unfilled, _, err := w.keeper.Unfilled(rt.Context(), index.Key{}, enough)
		w.check(err)
		r.todo, r.keeping = unfilled, true
	default:
		rt.Log("the rebuild is finished")
		w.check(w.keeper.FinishRebuild(rt.Context()))
		w.rebuild = nil
	}
}

// beginRebuild begins one, or goes on with one that has died.
func (w *world) beginRebuild(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "abandon") == 0 {
		w.check(w.keeper.AbandonRebuild(rt.Context()))
	}
	_, err := w.keeper.BeginRebuild(rt.Context())
	w.check(err)
	w.rebuild = &rebuild{}
	for _, record := range w.manifests() {
		if rapid.Bool().Draw(rt, "named") {
			w.rebuild.todo = append(w.rebuild.todo, record)
		}
	}
}

// readOne reads the next manifest into the new generation. While it keeps, one
// that was overtaken is copied as long as it is live.
func (w *world) readOne(rt *rapid.T, r *rebuild) {
	if r.at == nil {
		r.at = &question{record: r.todo[0]}
	}
	if !r.at.step(w) {
		return
	}
	q := r.at
	r.at = nil
	if r.copying {
		_, err := w.store.Get(rt.Context(), q.record.Repository, q.record.Digest)
		if q.present = err == nil; !q.present && !errors.Is(err, index.ErrNotFound) {
			w.check(err)
		}
	}
	if q.present {
		err := w.keeper.Fill(rt.Context(), q.mark, nil, q.record)
		rt.Log("fill", q.record.Annotations["org.example.what"], err)
		if errors.Is(err, index.ErrStale) {
			r.copying = r.keeping
			return
		}
		w.check(err)
	}
	r.todo, r.copying = r.todo[1:], false
}
