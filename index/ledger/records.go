package ledger

import (
	"maps"
	"slices"

	"github.com/backref/backref/index"
)

// same tells whether two records of a manifest say the same. None and no
// annotations or edges are the same.
func same(a, b *index.Record) bool {
	return a.Seen.Equal(b.Seen) && sameManifest(a, b)
}

// sameManifest tells whether two records of a manifest differ in no more than
// Seen.
func sameManifest(a, b *index.Record) bool {
	return a.MediaType == b.MediaType && a.Size == b.Size && a.ArtifactType == b.ArtifactType &&
		maps.Equal(a.Annotations, b.Annotations) && slices.Equal(a.Edges, b.Edges)
}

// put writes a record to all generations. One that is news was found in the
// upstream after all marks.
func (m *Matter) put(record index.Record, news bool) (err error) {
	for in := Live; in <= m.state.last(); in++ {
		if record, err = m.putIn(in, record, news); err != nil {
			return err
		}
	}
	return nil
}

// putIn writes a record into one generation and returns it as the generation
// has it: it replaces the one that is there, but keeps when that was seen, if
// earlier. Where nothing changes the record is stamped only if it is news.
func (m *Matter) putIn(in Generation, record index.Record, news bool) (index.Record, error) {
	v, err := m.version(in)
	if err != nil {
		return record, err
	}
	if v.Has && v.Is.Seen.Before(record.Seen) {
		record.Seen = v.Is.Seen
	}
	known := v.Has && same(&v.Is, &record)
	if known && !news {
		return record, nil
	}
	if in == Live && !known {
		if v.Has {
			m.state.listingChanged(&v.Is)
		}
		m.state.listingChanged(&record)
	}
	v.Is, v.Has, v.Stamp, v.changed = record, true, m.state.recordedAt(), true
	return record, nil
}

// arrive is put for a record that a client or the upstream has brought: where it is
// not listed yet, and will be, it is news too.
func (m *Matter) arrive(record index.Record, news bool) error {
	v, err := m.version(Live)
	if err != nil {
		return err
	}
	silent := v.Has || record.Old
	record.Old = false
	if err := m.put(record, news); err != nil {
		return err
	}
	if !silent && v.Is.Subject() != "" {
		m.state.Arrived = append(m.state.Arrived, v.Is)
	}
	return nil
}

// remove removes the record from all generations, where there is one.
func (m *Matter) remove() (removed bool, err error) {
	for in := Live; in <= m.state.last(); in++ {
		v, err := m.version(in)
		if err != nil {
			return removed, err
		}
		if !v.Has {
			continue
		}
		if in == Live {
			m.state.listingChanged(&v.Is)
		}
		v.Is, v.Has, v.changed = index.Record{}, false, true
		m.removed, removed = true, true
	}
	return removed, nil
}

// With lends the matter of one of several records, by its place among them, to
// a rule, and returns what the rule returns or its own error. Records of one
// manifest share a matter, or have what a rule changed of it saved before the
// next is lent.
type With func(i int, rule func(m *Matter) error) error

// Observe applies [index.Store.Observe]. It refuses by [index.ErrStale].
func Observe(mark index.Mark, records []index.Record, with With) error {
	return observe(mark, records, with, Live, (*Matter).observe)
}

// observe applies a rule to records, each of which the generation has or was
// read late enough.
func observe(mark index.Mark, records []index.Record, with With, in Generation, rule func(m *Matter, record index.Record) error) error {
	for i := range records {
		if err := with(i, func(m *Matter) error { return m.checkReading(in, mark) }); err != nil {
			return err
		}
	}
	for i := range records {
		if err := with(i, func(m *Matter) error { return rule(m, records[i]) }); err != nil {
			return err
		}
	}
	return nil
}

// checkReading refuses what was read of a manifest after the mark, where the
// generation has no record of it and it may have been deleted since. What is being
// removed is left out without being refused.
func (m *Matter) checkReading(in Generation, mark index.Mark) error {
	if known, err := m.knownOrRemoving(in); known || err != nil {
		return err
	}
	return m.refuseStalePresent(mark)
}

func (m *Matter) refuseStalePresent(mark index.Mark) error {
	stale, err := m.stalePresent(mark)
	if err == nil && stale {
		err = index.ErrStale
	}
	return err
}

// knownOrRemoving tells whether what was read of a manifest changes nothing, since
// the generation has a record of it, or it is being removed.
func (m *Matter) knownOrRemoving(in Generation) (bool, error) {
	if recorded, err := m.recordedIn(in); recorded || err != nil {
		return recorded, err
	}
	return m.removing()
}

func (m *Matter) observe(record index.Record) error {
	if known, err := m.knownOrRemoving(Live); known || err != nil {
		return err
	}
	if err := m.arrive(record, true); err != nil {
		return err
	}
	return m.noteCameIfDoubted(0)
}

// Forget applies [index.Maintainer.Forget]. It refuses by [index.ErrStale].
func (m *Matter) Forget(mark index.Mark) error {
	back, err := m.mayBeBack(mark)
	if err != nil {
		return err
	}
	if back {
		return index.ErrStale
	}
	removed, err := m.remove()
	if err != nil || !removed {
		return err
	}
	// The record must not come back by what was read before.
	return m.noteGone()
}

// mayBeBack tells whether a recorded manifest that was not found after the mark
// may be there: because it was recorded since, or because a push of it is open,
// which may have been carried out.
func (m *Matter) mayBeBack(mark index.Mark) (bool, error) {
	recorded := false
	for in := Live; in <= m.state.last(); in++ {
		v, err := m.version(in)
		if err != nil {
			return false, err
		}
		if v.Has && v.Stamp > uint64(mark) {
			return true, nil
		}
		recorded = recorded || v.Has
	}
	if !recorded || m.state.unknown(mark) {
		return recorded, nil
	}
	return m.anyOf(index.IntentPush, 0)
}
