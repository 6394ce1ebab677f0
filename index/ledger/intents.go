package ledger

import (
	"time"

	"github.com/backref/backref/index"
)

// Begin applies [index.Store.Begin] to an intent that has its identifier. A
// delete that begins makes older readings "present" worthless. It refuses by
// [index.ErrStale].
func (m *Matter) Begin(intent index.Intent) error {
	if intent.CarriesOut != 0 {
		if err := m.mayCarryOut(intent.CarriesOut); err != nil {
			return err
		}
	}
	intent.Contended, intent.Recorded, intent.CarriesOut = false, false, 0
	if intent.Kind != index.IntentImport {
		var err error
		if intent.Contended, err = m.contend(opposite(intent.Kind)); err != nil {
			return err
		}
	}
	if intent.Kind == index.IntentDelete {
		if err := m.noteGone(); err != nil {
			return err
		}
	}
	m.intents = append(m.intents, Intent{Intent: intent, changed: true, begun: true, read: true})
	return nil
}

// contend marks the open intents of a kind as contended, and tells whether there
// are any.
func (m *Matter) contend(kind index.IntentKind) (found bool, err error) {
	if found, err = m.anyOf(kind, 0); err != nil || !found {
		return false, err
	}
	for at := range m.intents {
		if m.intents[at].Kind != kind || m.intents[at].ended {
			continue
		}
		if err := m.read(at); err != nil {
			return false, err
		}
		if other := &m.intents[at]; !other.Contended && !other.ended {
			other.Contended, other.changed = true, true
		}
	}
	return true, nil
}

func opposite(kind index.IntentKind) index.IntentKind {
	if kind == index.IntentDelete {
		return index.IntentPush
	}
	return index.IntentDelete
}

// Confirm applies [index.Store.Confirm].
func (m *Matter) Confirm(id index.IntentID, at time.Time) error {
	i, err := m.find(id)
	if err != nil || i < 0 {
		return err
	}
	intent := &m.intents[i]
	if intent.Kind == index.IntentDelete {
		if err := m.noteGone(); err != nil {
			return err
		}
	}
	if intent.Contended {
		// The request is over, but which of the two came last is to be asked.
		intent.Deadline, intent.changed = at, true
		return nil
	}
	switch intent.Kind {
	case index.IntentImport:
		// What the import read was observed.
	case index.IntentRemoval:
		return m.removalDone()
	case index.IntentDelete:
		if _, err = m.remove(); err == nil {
			_, err = m.endRemoval()
		}
	default:
		err = m.recordPush(i, true, at)
	}
	m.intents[i].ended = err == nil
	return err
}

// recordPush records the push of an intent, which has a place among the intents,
// unless a removal has overtaken it. Where it is news, and somebody may still find
// that the manifest is absent, that is noted. What is no news is not noted, so that
// readers who ask again and again don't make each other's answers stale.
func (m *Matter) recordPush(i int, news bool, at time.Time) error {
	if overtaken, err := m.outlastRemoval(i); overtaken || err != nil {
		return err
	}
	m.replace(i, at)
	id, contended := m.intents[i].ID, m.intents[i].Contended
	if err := m.arrive(m.intents[i].Record, news); err != nil || !news {
		return err
	}
	if contended {
		return m.noteCame()
	}
	return m.noteCameIfDoubted(id)
}

// Cancel applies [index.Store.Cancel].
func (m *Matter) Cancel(id index.IntentID) error {
	i, err := m.find(id)
	if err != nil || i < 0 {
		return err
	}
	if m.intents[i].Kind == index.IntentRemoval {
		return m.cancelRemoval(i)
	}
	m.intents[i].ended = true
	return nil
}

// EndOver ends a delete that can no longer matter: its deadline is past, what it
// deletes has no record, and no push of that is open. Other intents stay.
func (m *Matter) EndOver(id index.IntentID, now time.Time) error {
	i, err := m.find(id)
	if err != nil || i < 0 || m.intents[i].Kind != index.IntentDelete || !now.After(m.intents[i].Deadline) {
		return err
	}
	if pushed, err := m.anyOf(index.IntentPush, 0); pushed || err != nil {
		return err
	}
	if recorded, err := m.recorded(); recorded || err != nil {
		return err
	}
	m.intents[i].ended = true
	return m.noteGone()
}
