package ledger

import "github.com/backref/backref/index"

// Correct applies [index.Maintainer.Correct]. It refuses by [index.ErrStale].
func (m *Matter) Correct(mark index.Mark, record index.Record) error {
	wrong, err := m.isWrong(&record)
	if err != nil || !wrong {
		return err
	}
	if err := m.refuseStalePresent(mark); err != nil {
		return err
	}
	return m.correct(record)
}

// isWrong tells whether a generation has a record of the manifest that says
// something else than the given one, but for when it was seen.
func (m *Matter) isWrong(right *index.Record) (bool, error) {
	for in := Live; in <= m.state.last(); in++ {
		v, err := m.version(in)
		if err != nil {
			return false, err
		}
		if v.Has && !sameManifest(&v.Is, right) {
			return true, nil
		}
	}
	return false, nil
}

// correct replaces the record in the generations that have one, each with its
// own Seen. A record that is live goes to the generation in the making too: else
// what is copied there could be what was wrong.
func (m *Matter) correct(record index.Record) error {
	known := false
	for in := Live; in <= m.state.last(); in++ {
		v, err := m.version(in)
		if err != nil {
			return err
		}
		if v.Has {
			record.Seen, known = v.Is.Seen, true
		}
		if !known {
			continue
		}
		if _, err := m.putIn(in, record, false); err != nil {
			return err
		}
	}
	return nil
}
