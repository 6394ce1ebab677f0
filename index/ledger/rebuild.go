package ledger

import "github.com/backref/backref/index"

// Fill applies the rule of [index.Rebuilder.Fill] to the records; the checkpoint
// is the store's to save with them. It refuses by [index.ErrNoRebuild] and
// [index.ErrStale].
func (s *State) Fill(mark index.Mark, records []index.Record, with With) error {
	if !s.Building {
		return index.ErrNoRebuild
	}
	return observe(mark, records, with, Next, (*Matter).fill)
}

func (m *Matter) fill(record index.Record) error {
	if known, err := m.knownOrRemoving(Next); known || err != nil {
		return err
	}
	live, err := m.version(Live)
	if err != nil {
		return err
	}
	if live.Has {
		record.Seen = live.Is.Seen
	}
	if _, err := m.putIn(Next, record, true); err != nil {
		return err
	}
	return m.noteCameIfDoubted(0)
}
