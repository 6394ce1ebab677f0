package bolt

import (
	"context"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

// known is what the file has of one matter, read where a rule asks: it
// implements [ledger.Known].
type known struct {
	w *writing
	// key is that of the manifest, nil for a referrers tag.
	key []byte
	// intent was read already, if it has an identifier.
	intent index.Intent
	// prefix is memory for what open intents are found by.
	prefix []byte
}

// Recorded implements [ledger.Known].
func (k *known) Recorded(in ledger.Generation) (bool, error) {
	return k.w.generation(in).get(k.key) != nil, nil
}

// Record implements [ledger.Known].
func (k *known) Record(in ledger.Generation) (record index.Record, stamp uint64, found bool, err error) {
	return k.w.generation(in).record(k.key)
}

// Open implements [ledger.Known].
func (k *known) Open(ids []index.IntentID, kind index.IntentKind) ([]index.IntentID, error) {
	if kind == index.IntentRemoval {
		return k.w.appendRemoval(ids, k.key)
	}
	k.prefix = appendPrefix(k.prefix[:0], k.key, roleOf(kind))
	return appendOpen(ids, k.w.openCursor, k.prefix, nil)
}

// Intent implements [ledger.Known].
func (k *known) Intent(id index.IntentID) (intent index.Intent, open bool, err error) {
	if id == k.intent.ID {
		return k.intent, true, nil
	}
	return k.w.intent(id)
}

// History implements [ledger.Known].
func (k *known) History() (gone, came uint64, err error) {
	last, err := k.w.lastChanges(k.key)
	return last.gone, last.came, err
}

// generation returns the one that the rules name.
func (w *writing) generation(in ledger.Generation) *generation {
	if in == ledger.Next {
		return w.next
	}
	return w.live
}

// desk is where rules decide on one matter after the other, in the same memory.
type desk struct {
	matter ledger.Matter
	known  known
}

// matter puts a matter on the desk, of which an intent may have been read already.
// The key is that of a manifest, nil for a referrers tag.
func (w *writing) matter(key []byte, intent index.Intent) *ledger.Matter {
	if w.desk == nil {
		w.desk = new(desk)
	}
	d := w.desk
	d.known = known{w: w, key: key, intent: intent, prefix: d.known.prefix}
	w.ledger.Building = w.next != nil
	d.matter.Reset(&w.ledger, &d.known)
	return &d.matter
}

// done saves the matter on the desk, where the rule that decided on it has
// returned no error, and clears the desk.
func (w *writing) done(err error) error {
	d := w.desk
	if err == nil {
		err = w.saveMatter(d.known.key, &d.matter)
	}
	d.matter.Reset(nil, nil)
	d.known = known{prefix: d.known.prefix}
	return err
}

// decide has a rule decide on a manifest, whose key is given.
func (w *writing) decide(key []byte, rule func(*ledger.Matter) error) error {
	return w.done(rule(w.matter(key, index.Intent{})))
}

// onIntent has a rule decide on what an open intent is about. An intent that has
// ended is left alone.
func (w *writing) onIntent(id index.IntentID, rule func(*ledger.Matter) error) error {
	intent, open, err := w.intent(id)
	if err != nil || !open {
		return err
	}
	key, err := aboutKey(intent)
	if err != nil {
		return err
	}
	m := w.matter(key, intent)
	err = rule(m)
	replaced := m.TakeReplaced()
	if err := w.done(err); err != nil || len(replaced.Manifests) == 0 {
		return err
	}
	_, err = w.remove(replaced.At, replaced.Manifests)
	return err
}

// aboutKey returns the key of the manifest that an intent is about, nil where it
// is about a referrers tag.
func aboutKey(intent index.Intent) ([]byte, error) {
	if intent.Kind == index.IntentImport {
		return nil, nil
	}
	return intentKey(intent)
}

// with lends the matters of keys to the rules.
func (w *writing) with(keys [][]byte) ledger.With {
	return func(i int, rule func(*ledger.Matter) error) error { return w.decide(keys[i], rule) }
}

// saveMatter writes what a rule changed.
func (w *writing) saveMatter(key []byte, m *ledger.Matter) error {
	for in := ledger.Live; in <= ledger.Next; in++ {
		if v, changed := m.Version(in); changed {
			if err := w.saveVersion(w.generation(in), key, v); err != nil {
				return err
			}
		}
	}
	if err := w.saveListings(); err != nil {
		return err
	}
	if m.Removed() {
		for _, notes := range []table{tableUnheld, tableMade} {
			if err := w.forgetNote(notes, key); err != nil {
				return err
			}
		}
	}
	if err := w.saveSequence(); err != nil {
		return err
	}
	if gone, came, changed := m.History(); changed {
		if err := w.addHistory(key, lastChanges{gone, came}); err != nil {
			return err
		}
	}
	for i := range m.Intents() {
		if err := w.saveIntent(&m.Intents()[i]); err != nil {
			return err
		}
	}
	return nil
}

// saveIntent writes or removes an open intent, where a rule changed or ended it.
func (w *writing) saveIntent(intent *ledger.Intent) error {
	switch removal := intent.Kind == index.IntentRemoval; {
	case intent.Dropped() && removal:
		return w.endRemoval(intent.Intent)
	case intent.Written() && removal:
		return w.putRemoval(intent.Intent)
	case intent.Dropped():
		return w.end(intent.Intent)
	case intent.Written():
		return w.putIntent(intent.Intent)
	default:
		return nil
	}
}

// saveListings enters the listings that have changed.
func (w *writing) saveListings() error {
	for _, listing := range w.ledger.Changed {
		w.touchListing(listing.Repository, listing.Digest)
		if err := w.enterListing(listing); err != nil {
			return err
		}
	}
	w.ledger.Changed = w.ledger.Changed[:0]
	return w.saveArrived()
}

// decide makes a change that the rules may refuse.
func (s *Store) decide(ctx context.Context, apply func(*writing) error) error {
	var refusal error
	err := s.change(ctx, func(w *writing) error {
		refusal = nil
		err := apply(w)
		if ledger.Refuses(err) {
			refusal, err = err, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return refusal
}
