package ledger

import (
	"time"

	"github.com/backref/backref/index"
)

// The rules of removals: see [index.Remover].

// Remove applies [index.Remover.Remove] to one manifest. The intent has an
// identifier, the manifest's key, and when the removal was decided. It returns the
// identifier of the removal that is open then.
func (m *Matter) Remove(removal index.Intent) (index.IntentID, error) {
	at, err := m.openRemoval()
	if err != nil {
		return 0, err
	}
	if at >= 0 {
		open := m.intents[at].Intent
		pushed, err := m.pushOpen(func(push index.IntentID) bool { return push > open.ID })
		if err != nil || !pushed {
			return open.ID, err
		}
		removal.Record, m.intents[at].ended = open.Record, true
	}
	for in := m.state.last(); in >= Live; in-- {
		v, err := m.version(in)
		if err != nil {
			return 0, err
		}
		if v.Has {
			removal.Record = v.Is
		}
	}
	if _, err := m.remove(); err != nil {
		return 0, err
	}
	m.intents = append(m.intents, Intent{Intent: removal, changed: true, begun: true, read: true})
	return removal.ID, m.noteGone()
}

// NewRemoval returns the intent that [Matter.Remove] takes.
func NewRemoval(id index.IntentID, of index.Key, at time.Time) index.Intent {
	return index.Intent{ID: id, Kind: index.IntentRemoval, Deadline: at, Record: index.Record{
		Repository: of.Repository, Manifest: index.Manifest{Digest: of.Digest},
	}}
}

// Replaced are removals that are to begin with a push that was recorded.
type Replaced struct {
	Manifests []index.Key
	// At is when they were decided.
	At time.Time
}

// TakeReplaced returns what the rules since the last call would have removed. The
// store has [Matter.Remove] remove each in the transaction of this matter.
func (m *Matter) TakeReplaced() Replaced {
	replaced := m.replaced
	m.replaced = Replaced{}
	return replaced
}

// replace has the manifests removed that a push replaces, once.
func (m *Matter) replace(i int, at time.Time) {
	push := &m.intents[i]
	for _, d := range push.Replaces {
		m.replaced.Manifests = append(m.replaced.Manifests, index.Key{Repository: push.Record.Repository, Digest: d})
	}
	if len(push.Replaces) > 0 {
		m.replaced.At, push.Replaces, push.changed = at, nil, true
	}
}

// openRemoval returns the place of the removal among the intents, -1 where none is
// open: there is one at most.
func (m *Matter) openRemoval() (int, error) {
	if err := m.askOpen(index.IntentRemoval); err != nil {
		return -1, err
	}
	for i := range m.intents {
		if m.intents[i].Kind != index.IntentRemoval || m.intents[i].ended {
			continue
		}
		if err := m.read(i); err != nil {
			return -1, err
		}
		if !m.intents[i].ended {
			return i, nil
		}
	}
	return -1, nil
}

// removing tells whether a removal is open.
func (m *Matter) removing() (bool, error) {
	at, err := m.openRemoval()
	return at >= 0, err
}

// pushOpen tells whether a push is open whose identifier is one of those.
func (m *Matter) pushOpen(among func(index.IntentID) bool) (bool, error) {
	if err := m.askOpen(index.IntentPush); err != nil {
		return false, err
	}
	for i := range m.intents {
		if push := &m.intents[i]; push.Kind == index.IntentPush && !push.ended && among(push.ID) {
			return true, nil
		}
	}
	return false, nil
}

// outlastRemoval is asked when a push succeeds. A removal that began before it
// ends; one that began after it gets the record, and the push is overtaken.
func (m *Matter) outlastRemoval(push int) (overtaken bool, err error) {
	at, err := m.openRemoval()
	if err != nil || at < 0 {
		return false, err
	}
	removal := &m.intents[at]
	if removal.ID < m.intents[push].ID {
		removal.ended = true
		return false, nil
	}
	if !removal.TookAway() {
		removal.Record, removal.changed = m.intents[push].Record, true
	}
	return true, nil
}

// endRemoval ends a removal whose manifest is gone, where one is open, unless a push
// that began before it may bring the manifest yet.
func (m *Matter) endRemoval() (ended bool, err error) {
	at, err := m.openRemoval()
	if err != nil || at < 0 {
		return false, err
	}
	id := m.intents[at].ID
	coming, err := m.pushOpen(func(push index.IntentID) bool { return push < id })
	if err != nil || coming {
		return false, err
	}
	m.intents[at].ended = true
	return true, nil
}

// removalDone is what becomes of a removal whose manifest was found gone.
func (m *Matter) removalDone() error {
	ended, err := m.endRemoval()
	if err != nil || !ended {
		return err
	}
	// What uses the index without knowing removals may have recorded it.
	if _, err := m.remove(); err != nil {
		return err
	}
	return m.noteGone()
}

// cancelRemoval gives the index the record back that a removal took away.
func (m *Matter) cancelRemoval(i int) error {
	removal := &m.intents[i]
	removal.ended = true
	if !removal.TookAway() {
		return nil
	}
	if err := m.put(removal.Record, true); err != nil {
		return err
	}
	return m.noteCameIfDoubted(0)
}

// mayCarryOut refuses a delete that carries out a removal which is not open, or of
// what is being pushed.
func (m *Matter) mayCarryOut(removal index.IntentID) error {
	at, err := m.openRemoval()
	if err != nil {
		return err
	}
	pushing, err := m.anyOf(index.IntentPush, 0)
	if err != nil {
		return err
	}
	if at < 0 || m.intents[at].ID != removal || pushing {
		return index.ErrStale
	}
	return nil
}
