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

// lastChanges are sequence numbers of a manifest; 0 means never.
type lastChanges struct {
	// gone is that of the last change after which an older reading "present"
	// may be wrong, came that for an older "absent".
	gone, came uint64
}

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

// stalePresent reports whether the manifest may have been deleted after it was
// found present; staleAbsent whether it may have come after it was not found.
// A mark from before the horizon, or one that this store never gave, may be
// older than anything.
func (w *writing) stalePresent(key []byte, mark index.Mark) (bool, error) {
	last, err := w.lastChanges(key)
	return w.unknown(mark) || last.gone > uint64(mark), err
}

func (w *writing) staleAbsent(key []byte, mark index.Mark) (bool, error) {
	last, err := w.lastChanges(key)
	return w.unknown(mark) || last.came > uint64(mark), err
}

func (w *writing) unknown(mark index.Mark) bool {
	return uint64(mark) < w.horizon || uint64(mark) > w.sequence
}

// markGone notes that the manifest may be gone, or is about to be.
func (w *writing) markGone(key []byte) error {
	return w.addHistory(key, func(last *lastChanges, sequence uint64) { last.gone = sequence })
}

// markCame notes that the manifest was recorded while somebody may still find
// that it is absent.
func (w *writing) markCame(key []byte) error {
	return w.addHistory(key, func(last *lastChanges, sequence uint64) { last.came = sequence })
}

func (w *writing) addHistory(key []byte, set func(*lastChanges, uint64)) error {
	last, err := w.lastChanges(key)
	if err != nil {
		return err
	}
	w.sequence++
	if err := w.putField(fieldSequence, w.sequence); err != nil {
		return err
	}
	set(&last, w.sequence)
	value := binary.BigEndian.AppendUint64(number(last.gone), last.came)
	if err := w.put(w.changes, key, value); err != nil {
		return err
	}
	var entry encoder
	entry.Time(w.now)
	if err := w.put(w.history, number(w.sequence), append(entry.B, key...)); err != nil {
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
		w.horizon = sequence
		if err := w.putField(fieldHorizon, sequence); err != nil {
			return err
		}
	}
	return nil
}
