package ledger_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/opencontainers/go-digest"
)

// book is a store in memory: it loads what is known, lets a rule decide, and
// saves what changed.
type book struct {
	state   ledger.State
	records [2]map[index.Key]kept
	intents map[index.IntentID]index.Intent
	history map[index.Key]numbers
	unheld  map[index.Key]bool
	lastID  index.IntentID
	// open are the matters that were changed and are not saved yet.
	open map[index.Key]*ledger.Matter
	// asked are the questions that rules asked, in their order.
	asked []string
}

// kept is a record with the number at which it was recorded.
type kept struct {
	index.Record
	stamp uint64
}

// numbers are those of a manifest in the history.
type numbers struct{ gone, came uint64 }

func newBook() *book {
	return &book{
		records: [2]map[index.Key]kept{{}, {}},
		intents: map[index.IntentID]index.Intent{},
		history: map[index.Key]numbers{},
		unheld:  map[index.Key]bool{},
		open:    map[index.Key]*ledger.Matter{},
	}
}

// known is what a book knows of one matter.
type known struct {
	book *book
	key  index.Key
}

func (k known) ask(question string) { k.book.asked = append(k.book.asked, question) }

func (k known) Recorded(in ledger.Generation) (bool, error) {
	k.ask("recorded")
	_, found := k.book.records[in][k.key]
	return found, nil
}

func (k known) Record(in ledger.Generation) (index.Record, uint64, bool, error) {
	k.ask("record")
	r, found := k.book.records[in][k.key]
	return r.Record, r.stamp, found, nil
}

func (k known) Open(ids []index.IntentID, kind index.IntentKind) ([]index.IntentID, error) {
	k.ask("open " + kind.String())
	for _, id := range slices.Sorted(maps.Keys(k.book.intents)) {
		if intent := k.book.intents[id]; intent.Kind == kind && about(intent) == k.key {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (k known) Intent(id index.IntentID) (index.Intent, bool, error) {
	k.ask("intent")
	intent, open := k.book.intents[id]
	return intent, open, nil
}

func (k known) History() (gone, came uint64, err error) {
	k.ask("history")
	n := k.book.history[k.key]
	return n.gone, n.came, nil
}

// about is what an intent is about: a manifest, or a repository's tag.
func about(intent index.Intent) index.Key {
	if intent.Kind == index.IntentImport {
		return index.Key{Repository: intent.Record.Repository, Digest: digest.Digest(intent.Tag)}
	}
	return intent.Record.Key()
}

// change lets a rule change a matter, and leaves it unsaved.
func (b *book) change(key index.Key, rule func(m *ledger.Matter) error) error {
	m, loaded := b.open[key]
	if !loaded {
		m = new(ledger.Matter)
		m.Reset(&b.state, known{b, key})
		b.open[key] = m
	}
	return rule(m)
}

// with lends the matters of records.
func (b *book) with(records []index.Record) ledger.With {
	return func(i int, rule func(m *ledger.Matter) error) error { return b.change(records[i].Key(), rule) }
}

// save saves what rules have changed.
func (b *book) save() {
	for key, m := range b.open {
		for in, records := range b.records {
			v, changed := m.Version(ledger.Generation(in))
			switch {
			case changed && v.Has:
				records[key] = kept{v.Is, v.Stamp}
			case changed:
				delete(records, key)
			}
		}
		for i := range m.Intents() {
			switch intent := &m.Intents()[i]; {
			case intent.Written():
				b.intents[intent.ID] = intent.Intent
			case intent.Dropped():
				delete(b.intents, intent.ID)
			}
		}
		if gone, came, changed := m.History(); changed {
			b.history[key] = numbers{gone, came}
		}
		if m.Removed() {
			delete(b.unheld, key)
		}
	}
	clear(b.open)
}

func (b *book) mark() index.Mark { return index.Mark(b.state.Sequence) }

func (b *book) begin(intent index.Intent) index.IntentID {
	id, err := b.tryBegin(intent)
	must(err)
	return id
}

// tryBegin begins an intent that may be refused.
func (b *book) tryBegin(intent index.Intent) (index.IntentID, error) {
	intent.ID = b.lastID + 1
	err := b.change(about(intent), func(m *ledger.Matter) error { return m.Begin(intent) })
	if err == nil {
		b.lastID++
	}
	return intent.ID, err
}

// onIntent lets a rule change the matter of an intent, if there is such an
// intent.
func (b *book) onIntent(id index.IntentID, rule func(m *ledger.Matter) error) error {
	intent, found := b.intents[id]
	for _, m := range b.open {
		for i := range m.Intents() {
			if m.Intents()[i].ID == id && !found {
				intent, found = m.Intents()[i].Intent, true
			}
		}
	}
	if !found {
		return nil
	}
	var replaced ledger.Replaced
	err := b.change(about(intent), func(m *ledger.Matter) error {
		err := rule(m)
		replaced = m.TakeReplaced()
		return err
	})
	b.remove(replaced.At, replaced.Manifests...)
	return err
}

// remove removes manifests, and returns the identifiers of their removals.
func (b *book) remove(at time.Time, manifests ...index.Key) (ids []index.IntentID) {
	for _, key := range manifests {
		must(b.change(key, func(m *ledger.Matter) error {
			b.lastID++
			id, err := m.Remove(ledger.NewRemoval(b.lastID, key, at))
			if id != b.lastID {
				b.lastID--
			}
			ids = append(ids, id)
			return err
		}))
	}
	return ids
}

func (b *book) confirm(id index.IntentID, at time.Time) error {
	return b.onIntent(id, func(m *ledger.Matter) error { return m.Confirm(id, at) })
}

func (b *book) cancel(id index.IntentID) error {
	return b.onIntent(id, func(m *ledger.Matter) error { return m.Cancel(id) })
}

func (b *book) settle(id index.IntentID, finding index.Finding) error {
	return b.onIntent(id, func(m *ledger.Matter) error { return m.Settle(id, finding) })
}

func (b *book) observe(mark index.Mark, records ...index.Record) error {
	return ledger.Observe(mark, records, b.with(records))
}

func (b *book) fill(mark index.Mark, records ...index.Record) error {
	return b.state.Fill(mark, records, b.with(records))
}

func (b *book) correct(mark index.Mark, record index.Record) error {
	return b.change(record.Key(), func(m *ledger.Matter) error { return m.Correct(mark, record) })
}

func (b *book) forget(mark index.Mark, key index.Key) error {
	return b.change(key, func(m *ledger.Matter) error { return m.Forget(mark) })
}

func (b *book) endOver(id index.IntentID, now time.Time) error {
	return b.onIntent(id, func(m *ledger.Matter) error { return m.EndOver(id, now) })
}

// record saves what changed and returns the record of a generation.
func (b *book) record(in ledger.Generation) (index.Record, bool) {
	b.save()
	r, found := b.records[in][signature().Key()]
	return r.Record, found
}

// intent saves what changed and returns an open intent.
func (b *book) intent(id index.IntentID) (index.Intent, bool) {
	b.save()
	intent, open := b.intents[id]
	return intent, open
}

// must is for what can't fail: a book has no medium, and the rules refuse
// nothing here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// refused checks that a rule refused, and that it changed nothing.
func refused(t *testing.T, b *book, rule func() error) {
	t.Helper()
	b.save()
	was := *b
	was.records = [2]map[index.Key]kept{maps.Clone(b.records[0]), maps.Clone(b.records[1])}
	was.intents, was.history = maps.Clone(b.intents), maps.Clone(b.history)
	err := rule()
	if !errors.Is(err, index.ErrStale) || !ledger.Refuses(err) {
		t.Errorf("got error %v, want %v", err, index.ErrStale)
	}
	b.save()
	equal(t, b.records, was.records)
	equal(t, b.intents, was.intents)
	equal(t, b.history, was.history)
	equal(t, b.state.Sequence, was.state.Sequence)
}
