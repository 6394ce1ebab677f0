package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// The history says for every manifest when the last change came that makes
// older readings of the upstream worthless: see [index.Mark].

const (
	// historyAge is how long the history is kept. It only has to be longer
	// than the time between a mark and the use of what was read after it.
	historyAge = 24 * time.Hour
	// historyStep bounds what a change drops of it. It is more than the one
	// entry that a change adds, so that the history shrinks.
	historyStep = 4
)

// lastChanges are the numbers of a manifest in the history: see
// [ledger.Matter.History].
type lastChanges struct{ gone, came uint64 }

func (w *writing) lastChanges(key []byte) (lastChanges, error) {
	value := w.changes.Get(key)
	switch len(value) {
	case 0:
		return lastChanges{}, nil
	case 16:
		return lastChanges{
			gone: binary.BigEndian.Uint64(value),
			came: binary.BigEndian.Uint64(value[8:]),
		}, nil
	default:
		return lastChanges{}, fmt.Errorf("%w: value of a change", index.ErrDamaged)
	}
}

// saveSequence writes the sequence where the rules have moved it on.
func (w *writing) saveSequence() error {
	if w.sequence == w.ledger.Sequence {
		return nil
	}
	w.sequence = w.ledger.Sequence
	return w.putField(fieldSequence, w.sequence)
}

// addHistory writes the numbers of a manifest, of which the newest is that of
// the change which is made, and drops what is too old.
func (w *writing) addHistory(key []byte, last lastChanges) error {
	value := binary.BigEndian.AppendUint64(number(last.gone), last.came)
	if err := w.put(w.changes, key, value); err != nil {
		return err
	}
	var entry encoder
	entry.Time(w.now)
	if err := w.put(w.history, number(max(last.gone, last.came)), append(entry.B, key...)); err != nil {
		return err
	}
	return w.dropHistory()
}

// dropHistory drops what is too old to matter, a few entries at a time.
func (w *writing) dropHistory() error {
	cursor := w.history.Cursor()
	for range historyStep {
		id, entry := cursor.First()
		d := decoder{packed.Decoder{B: entry}}
		at := d.Time()
		if len(id) != 8 || d.Failed {
			return fmt.Errorf("%w: entry of the history", index.ErrDamaged)
		}
		if w.now.Sub(at) < historyAge {
			return nil
		}
		sequence, key := binary.BigEndian.Uint64(id), bytes.Clone(d.B)
		last, err := w.lastChanges(key)
		if err != nil {
			return err
		}
		if max(last.gone, last.came) <= sequence {
			if err := w.delete(w.changes, key); err != nil {
				return err
			}
		}
		if err := w.delete(w.history, number(sequence)); err != nil {
			return err
		}
		w.ledger.Horizon = sequence
		if err := w.putField(fieldHorizon, sequence); err != nil {
			return err
		}
	}
	return nil
}
