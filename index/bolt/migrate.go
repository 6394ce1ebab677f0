package bolt

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// An index of an earlier format is brought forward when it is opened: its
// records are written into a new generation, in the order of their keys, by
// transactions that keep with what they wrote where they are. So memory is
// bounded, and a process that is killed leaves what the next one goes on with.
// Queries would see one generation or the other, but nothing is served before
// the end.
//
// A new format adds what it needs here: how the records of the format before are
// read is in a file of its own, as early.go; what is added to them beside requests
// too, as typing.go.

const (
	// movingFormat is added to the format of a file while it is brought
	// forward, so that no version takes it for one of its own.
	movingFormat = 1 << 32
	// moveStep bounds the entries that a transaction writes, moveChunk those
	// that are in memory beside it.
	moveStep  = 50_000
	moveChunk = 1000
)

// The fields of meta while a file is brought forward.
const (
	// fieldMoving is the number of the generation in the making.
	fieldMoving field = "moving"
	// fieldMoved is the place of what was written last, and no number.
	fieldMoved field = "moved"
)

// layout is what a file says of its format.
type layout struct {
	// format is firstFormat for the files of the first version, though these
	// say 1 as well.
	format uint64
	// moving says that it is being brought forward from there.
	moving bool
}

func (l layout) current() bool { return l.format == formatVersion && !l.moving }

// readLayout refuses what no version up to this one wrote.
func readLayout(meta *bbolt.Bucket) (layout, error) {
	number, err := getField(meta, fieldFormat)
	if err != nil {
		return layout{}, err
	}
	l := layout{format: number}
	if number >= movingFormat {
		l = layout{format: number - movingFormat, moving: true}
	}
	switch {
	case l.moving && l.format < untypedFormat:
	case !l.moving && l.format == 1 && isFirst(meta):
		l.format = firstFormat
	case l.moving || l.format == 0 || l.format > formatVersion:
		return layout{}, fmt.Errorf("%w: version %d, this program knows 1 to %d", index.ErrFormat, number, formatVersion)
	}
	return l, nil
}

// checkEarlier checks of a file of an earlier format that it can be brought
// forward.
func checkEarlier(tx *bbolt.Tx) error {
	live, err := openLive(tx)
	if err == nil {
		_, err = openEarly(live)
	}
	return err
}

// migrate brings the file forward, and reports whether there was something to
// do. It ends with the error of Options.Migrating, if that has one.
func (s *Store) migrate(opts Options) (migrated bool, err error) {
	state := index.Migration{To: formatVersion}
	for !state.Done {
		tx, err := s.db.Begin(true)
		if err != nil {
			return migrated, err
		}
		var l layout
		err = guard(func() (err error) {
			l, err = s.migratePart(tx, opts.moveStep, &state)
			return err
		})
		if err != nil || l.current() {
			return migrated, errors.Join(err, guard(tx.Rollback))
		}
		if err := guard(tx.Commit); err != nil {
			return migrated, err
		}
		migrated, state.From = true, int(l.format) //nolint:gosec // It is small.
		if err := opts.Migrating(state); err != nil {
			return migrated, err
		}
	}
	return migrated, nil
}

// migratePart makes a transaction's part of it.
func (s *Store) migratePart(tx *bbolt.Tx, step int, state *index.Migration) (layout, error) {
	exists, l, err := checkFormat(tx)
	if err != nil {
		return l, err
	}
	if !exists || l.current() {
		return layout{format: formatVersion}, nil
	}
	if !l.moving && l.format < untypedFormat {
		return l, beginMove(tx, l)
	}
	w, err := newWriting(tx, s.now())
	if err != nil {
		return l, err
	}
	if l.format == untypedFormat {
		state.Done = true
		return l, w.beginTyping()
	}
	m, err := openMove(w, l)
	if err != nil {
		return l, err
	}
	moved, done, err := m.run(step)
	state.Moved += int64(moved)
	if err != nil {
		return l, err
	}
	if state.Done = done; done {
		return l, m.finish()
	}
	return l, w.put(w.meta, []byte(fieldMoved), m.at.encode())
}

// beginMove makes the generation that the records go to. A rebuild that was
// under way is given up.
func beginMove(tx *bbolt.Tx, l layout) error {
	meta, err := openTable(tx, tableMeta)
	if err != nil {
		return err
	}
	if l.format == firstFormat {
		if err := completeFirst(tx, meta); err != nil {
			return err
		}
	}
	next, err := meta.NextSequence()
	if err != nil {
		return err
	}
	if err := createGeneration(tx, next); err != nil {
		return err
	}
	for name, v := range map[field]uint64{fieldBuilding: 0, fieldMoving: next, fieldFormat: movingFormat + l.format} {
		if err := meta.Put([]byte(name), number(v)); err != nil {
			return err
		}
	}
	return nil
}

// move writes the records of an earlier generation into a new one.
type move struct {
	w    *writing
	from *early
	next *generation
	at   spot
}

// spot is where a move is: the key of what it took last from what it makes a
// section of. No repository means that it begins.
type spot struct {
	repository string
	section    section
	after      []byte
}

func openMove(w *writing, l layout) (*move, error) {
	number, err := getField(w.meta, fieldMoving)
	if err != nil {
		return nil, err
	}
	m := &move{w: w}
	if m.next, err = openGeneration(w.tx, number); err != nil {
		return nil, err
	}
	// All that comes is put behind what is there, and fills its pages.
	m.next.given = 0
	if m.from, err = openEarly(w.live); err != nil {
		return nil, err
	}
	m.from.format, m.from.sequence = l.format, w.sequence
	m.at, err = decodeSpot(w.meta.Get([]byte(fieldMoved)))
	return m, err
}

func (p spot) encode() []byte {
	var e encoder
	e.Byte(byte(p.section))
	e.Text(p.repository)
	return append(e.B, p.after...)
}

func decodeSpot(value []byte) (spot, error) {
	if value == nil {
		return spot{}, nil
	}
	d := decoder{packed.Decoder{B: value}}
	p := spot{section: section(d.Byte()), repository: d.Text()}
	p.after = bytes.Clone(d.B)
	if d.Failed {
		return spot{}, fmt.Errorf("%w: place of a migration", index.ErrDamaged)
	}
	return p, nil
}

// movedSections are in the order of their keys, so that every entry comes behind
// the one before.
func movedSections() []section {
	return []section{sectionCreated, sectionManifests, sectionParents, sectionReferrers}
}

// run writes about so many entries, and reports how many and whether all are
// written.
func (m *move) run(step int) (moved int, done bool, err error) {
	for moved < step {
		ended, n, err := m.chunk(min(step-moved, moveChunk))
		if moved += n; err != nil {
			return moved, false, err
		}
		if ended {
			if done, err = m.turn(); done || err != nil {
				return moved, done, err
			}
		}
	}
	return moved, false, nil
}

// turn goes to the next section, or to the first of the next repository.
func (m *move) turn() (done bool, err error) {
	for i, s := range movedSections()[:len(movedSections())-1] {
		if m.at.section == s {
			m.at = spot{m.at.repository, movedSections()[i+1], nil}
			return false, nil
		}
	}
	name, err := m.from.repositoryBehind(m.at.repository)
	m.at = spot{name, movedSections()[0], nil}
	return name == "", err
}

// chunk writes the next entries of a section, and reports whether it has no
// more. It has read them before it writes, since writing may move what is in
// the memory of the transaction.
func (m *move) chunk(limit int) (ended bool, moved int, err error) {
	if m.at.repository == "" {
		return true, 0, nil
	}
	n, err := m.w.give(m.next, m.at.repository)
	if err != nil {
		return false, 0, err
	}
	entries, last, err := m.from.entries(m.at, n, limit)
	if err != nil {
		return false, 0, err
	}
	for _, entry := range entries {
		if err := m.w.keep(m.next, n, entry.key, entry.value); err != nil {
			return false, moved, err
		}
		moved++
	}
	m.at.after = last
	return last == nil, moved, nil
}

// finish makes the new generation the live one; the upkeep drops the others.
func (m *move) finish() error {
	if m.w.outbox != nil {
		passes, err := m.w.passes()
		if err != nil {
			return err
		}
		if len(passes) > 0 {
			if err := m.passAnew(); err != nil {
				return err
			}
		}
	}
	for _, name := range []field{fieldMoving, fieldMoved} {
		if err := m.w.delete(m.w.meta, []byte(name)); err != nil {
			return err
		}
	}
	if err := m.w.lackTypes(m.next); err != nil {
		return err
	}
	if err := m.w.putField(fieldGeneration, m.next.number); err != nil {
		return err
	}
	return m.w.putField(fieldFormat, formatVersion)
}

// passAnew has all listings entered in the place of walks through generations
// that go.
func (m *move) passAnew() error {
	if _, err := m.w.dropKeys(m.w.outbox.passes, maxPasses); err != nil {
		return err
	}
	return m.w.addPass(pass{of: m.next.number})
}

// maxPasses is more than there can be: one, or two for each rebuild that ended
// before the walks of the last.
const maxPasses = 1 << 20
