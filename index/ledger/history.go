package ledger

import "github.com/backref/backref/index"

// History returns the numbers of the manifest in the history, 0 for never, if
// rules have changed one of them. gone is that of the last change after which an
// older reading "present" may be wrong, came that for an older "absent": see
// [index.Mark].
func (m *Matter) History() (gone, came uint64, changed bool) {
	return m.gone, m.came, m.historyNoted
}

func (m *Matter) askHistory() (err error) {
	if !m.historyAsked {
		m.gone, m.came, err = m.known.History()
		m.historyAsked = err == nil
	}
	return err
}

// stalePresent tells whether the manifest may have been deleted after it was
// found present upstream, which was after the mark.
func (m *Matter) stalePresent(mark index.Mark) (bool, error) {
	err := m.askHistory()
	return m.state.unknown(mark) || m.gone > uint64(mark), err
}

// staleAbsent tells whether the manifest may have come after it was not found
// upstream, which was after the mark.
func (m *Matter) staleAbsent(mark index.Mark) (bool, error) {
	err := m.askHistory()
	return m.state.unknown(mark) || m.came > uint64(mark), err
}

// noteGone notes that the manifest may be gone, or is about to be.
func (m *Matter) noteGone() error {
	err := m.askHistory()
	m.gone, m.historyNoted = m.state.Next(), true
	return err
}

// noteCame notes that the manifest was recorded while somebody may still find
// that it is absent.
func (m *Matter) noteCame() error {
	err := m.askHistory()
	m.came, m.historyNoted = m.state.Next(), true
	return err
}

// noteCameIfDoubted notes that a manifest was recorded, where an intent other
// than the given one is open: whoever asks about that may still find that the
// manifest is absent.
func (m *Matter) noteCameIfDoubted(but index.IntentID) error {
	open, err := m.anyOpen(but)
	if err != nil || !open {
		return err
	}
	return m.noteCame()
}
