package bolt

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// Generations of format 3 have no entries of types. When such a file is opened that is
// noted in them, which is done in a moment; all that is recorded from then on has
// its entry, and the upkeep makes those of what was there, a step at a time. Listings
// walk through all referrers until it is done.

// untypedFormat is the format whose generations have no entries of types.
const untypedFormat = 3

// typingStep bounds the entries that a step makes, and with them how long other
// changes wait for it.
const typingStep = 1000

// typingKey is where a generation that lacks entries of types says how far they are
// made: behind a byte of no meaning, the key of the last entry of created that was
// looked at, with the name of its repository.
func typingKey() []byte { return sectionKey(repositoryNumber{}, sectionTyping) }

func errTypeKey() error { return fmt.Errorf("%w: key of a type", index.ErrDamaged) }

// beginTyping notes in the generations of a file of format 3 that they lack types.
func (w *writing) beginTyping() error {
	for _, g := range w.generations() {
		if err := w.lackTypes(g); err != nil {
			return err
		}
	}
	return w.putField(fieldFormat, formatVersion)
}

func (w *writing) lackTypes(g *generation) error {
	return w.put(g.records, typingKey(), []byte{0})
}

// untyped returns a generation that lacks types, or nil.
func (w *writing) untyped() *generation {
	for _, g := range w.generations() {
		if g.records.Get(typingKey()) != nil {
			return g
		}
	}
	return nil
}

// stepTyping makes the next entries of types, and reports whether there was something
// to do. It has read them before it writes, since writing may move what is in the
// memory of the transaction.
func (w *writing) stepTyping() (more bool, err error) {
	g := w.untyped()
	if g == nil {
		return false, nil
	}
	entries, last, err := g.untypedEntries(bytes.Clone(g.records.Get(typingKey())[1:]))
	if err != nil {
		return false, err
	}
	g.records.FillPercent = bbolt.DefaultFillPercent
	for _, entry := range entries {
		if err := w.put(g.records, entry.key, entry.value); err != nil {
			return false, err
		}
	}
	if last == nil {
		return true, w.delete(g.records, typingKey())
	}
	return true, w.put(g.records, typingKey(), append([]byte{0}, last...))
}

// untypedEntries returns the entries of types of what follows a place, and the next
// place: nil at the end.
func (g *generation) untypedEntries(after []byte) (entries []movedEntry, last []byte, err error) {
	t := g.tour(sectionCreated)
	rest, artifactType, err := t.first(after)
	for ; err == nil && rest != nil; rest, artifactType, err = t.next() {
		subject, place, err := packed.CutDigest(rest)
		if err != nil {
			return nil, nil, err
		}
		if len(place) <= index.CreatedKeySize {
			return nil, nil, fmt.Errorf("%w: key of a created", index.ErrDamaged)
		}
		created, manifest := place[:index.CreatedKeySize], place[index.CreatedKeySize:]
		entries = append(entries, movedEntry{
			key:   typeKey(t.number, subject, artifactType, manifest),
			value: bytes.Clone(created),
		})
		if len(entries) == typingStep {
			return entries, t.key(rest), nil
		}
	}
	return entries, nil, err
}

// typeKey is the key of an entry of types.
func typeKey(n repositoryNumber, subject, artifactType, manifest []byte) []byte {
	return sectionKey(n, sectionTypes, slices.Concat(subject, typeGroup(artifactType), manifest))
}
