package ledger

import (
	"slices"

	"github.com/backref/backref/index"
)

// Known is what a store knows of one matter, before the changes that are not
// saved yet. A Matter asks for each answer at most once, and only where a rule
// needs it. Errors are those of the store's medium; the rule that asked returns
// them.
type Known interface {
	// Recorded tells whether a generation has a record of the manifest. It is
	// [Known.Record] for who needs no more.
	Recorded(in Generation) (bool, error)
	// Record returns the record of the manifest in a generation and the number
	// at which it was recorded last ([Version.Stamp]).
	Record(in Generation) (record index.Record, stamp uint64, found bool, err error)
	// Open appends the identifiers of the open intents of a kind to ids. Only
	// pushes, deletes and removals are asked for.
	Open(ids []index.IntentID, kind index.IntentKind) ([]index.IntentID, error)
	// Intent returns an open intent of the matter. An identifier that leads to
	// none is passed over.
	Intent(id index.IntentID) (intent index.Intent, open bool, err error)
	// History returns the numbers of the manifest: see [Matter.History].
	History() (gone, came uint64, err error)
}

// Matter is what intents can be about, a manifest or a referrers tag of one
// repository, with all that rules have asked and changed of it. The zero Matter
// is set by [Matter.Reset].
//
// Each rule is a method. Several can follow each other on one Matter before it
// is saved, each sees what those before it changed, and what comes out is the
// outcome of all.
type Matter struct {
	state *State
	known Known

	versions [generations]Version
	// intents are those that were asked for or have begun, in no order. The ones
	// that have ended stay, so that the store's answer can't bring them back.
	intents []Intent
	// asked says of each kind whether the open intents of that were asked for.
	asked [index.IntentRemoval + 1]bool
	ids   []index.IntentID

	gone, came                 uint64
	historyAsked, historyNoted bool
	removed                    bool
	replaced                   Replaced
}

// Version is the record of a manifest in one generation.
type Version struct {
	// Was is the record before the changes, where there was one (Had), and Is
	// the record after them, where there is one (Has).
	Was, Is  index.Record
	Had, Has bool
	// Stamp is the number at which Is was recorded last: whoever did not find the
	// manifest upstream before that number may find it after.
	Stamp uint64

	asked, changed bool
}

// Rewritten tells whether the record says something else than it did, or came or
// went. Else nothing but its stamp is another one.
func (v *Version) Rewritten() bool {
	return v.Had != v.Has || v.Has && !same(&v.Was, &v.Is)
}

// Intent is an open intent of a matter.
type Intent struct {
	index.Intent

	changed, ended bool
	// begun says that the store doesn't have the intent, and read that more than
	// its identifier and kind are known.
	begun, read bool
}

// Written tells whether the store is to write the intent.
func (i *Intent) Written() bool { return i.changed && !i.ended }

// Dropped tells whether the store has the intent and is to remove it.
func (i *Intent) Dropped() bool { return i.ended && !i.begun }

// Reset makes m the matter of which a store knows what known says. It keeps the
// memory of m for the new one.
func (m *Matter) Reset(state *State, known Known) {
	clear(m.intents)
	*m = Matter{state: state, known: known, intents: m.intents[:0], ids: m.ids[:0]}
}

// Version returns the record of a generation, if rules have changed it.
func (m *Matter) Version(in Generation) (v *Version, changed bool) {
	v = &m.versions[in]
	return v, v.changed
}

// Intents returns the intents that rules have asked for or begun, each of which
// tells whether there is something to save. They are valid until the next rule.
func (m *Matter) Intents() []Intent { return m.intents }

// Removed tells whether a record was removed, and with it all notes about it
// ([index.Store.SetUnheld]).
func (m *Matter) Removed() bool { return m.removed }

// version returns what is known of the record in a generation.
func (m *Matter) version(in Generation) (*Version, error) {
	v := &m.versions[in]
	if v.asked {
		return v, nil
	}
	record, stamp, found, err := m.known.Record(in)
	if err != nil {
		return nil, err
	}
	v.asked = true
	if found {
		v.Was, v.Is, v.Had, v.Has, v.Stamp = record, record, true, true, stamp
	}
	return v, nil
}

// recordedIn tells whether a generation has a record.
func (m *Matter) recordedIn(in Generation) (bool, error) {
	if v := &m.versions[in]; v.asked {
		return v.Has, nil
	}
	return m.known.Recorded(in)
}

// recorded tells whether any generation has a record.
func (m *Matter) recorded() (bool, error) {
	for in := Live; in <= m.state.last(); in++ {
		if found, err := m.recordedIn(in); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// find returns the place of an open intent among the intents, -1 where it is not
// open.
func (m *Matter) find(id index.IntentID) (int, error) {
	at := m.indexOf(id)
	if at < 0 {
		intent, open, err := m.known.Intent(id)
		if !open || err != nil {
			return -1, err
		}
		m.intents = append(m.intents, Intent{Intent: intent, read: true})
		return len(m.intents) - 1, nil
	}
	if m.intents[at].ended {
		return -1, nil
	}
	return at, m.read(at)
}

func (m *Matter) indexOf(id index.IntentID) int {
	return slices.IndexFunc(m.intents, func(i Intent) bool { return i.ID == id })
}

// read reads an intent of which only the identifier is known. One that turns out
// not to be there counts as ended, and was never stored.
func (m *Matter) read(at int) error {
	i := &m.intents[at]
	if i.read {
		return nil
	}
	intent, open, err := m.known.Intent(i.ID)
	if err != nil {
		return err
	}
	i.read = true
	if open {
		i.Intent = intent
	} else {
		i.ended, i.begun = true, true
	}
	return nil
}

// askOpen has the open intents of a kind among the intents.
func (m *Matter) askOpen(kind index.IntentKind) error {
	if m.asked[kind] {
		return nil
	}
	var err error
	if m.ids, err = m.known.Open(m.ids[:0], kind); err != nil {
		return err
	}
	for _, id := range m.ids {
		if m.indexOf(id) < 0 {
			m.intents = append(m.intents, Intent{Intent: index.Intent{ID: id, Kind: kind}})
		}
	}
	m.asked[kind] = true
	return nil
}

// anyOf tells whether an intent of a kind is open, other than the given one; 0
// is none.
func (m *Matter) anyOf(kind index.IntentKind, but index.IntentID) (bool, error) {
	if err := m.askOpen(kind); err != nil {
		return false, err
	}
	for i := range m.intents {
		if intent := &m.intents[i]; !intent.ended && intent.Kind == kind && intent.ID != but {
			return true, nil
		}
	}
	return false, nil
}

// anyOpen tells whether a push or delete is open, other than the given one; 0 is
// none.
func (m *Matter) anyOpen(but index.IntentID) (bool, error) {
	push, err := m.anyOf(index.IntentPush, but)
	if push || err != nil {
		return push, err
	}
	return m.anyOf(index.IntentDelete, but)
}
