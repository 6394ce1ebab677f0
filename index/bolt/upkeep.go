package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

const (
	// dropStep bounds the keys that a step drops, and with them how long other
	// changes wait for it.
	dropStep = 1000
	// upkeepPause is how long the upkeep waits after a failure, such as a full
	// disk.
	upkeepPause = time.Minute
)

// upkeep does, while the store is open, what was left for later, by Store calls
// or by a process that was killed: it ends with the writer.
func (s *Store) upkeep() {
	defer close(s.rested)
	var again <-chan time.Time
	for {
		select {
		case <-s.queue.Done():
			return
		case <-s.free.still.C:
			s.list()
			continue
		case <-s.wake:
		case <-again:
		}
		again = nil
		for more := true; more; {
			err := s.change(context.Background(), func(w *writing) (err error) {
				more, err = w.tidy()
				s.free.reserve = s.free.reserve || w.reserve
				return err
			})
			switch {
			case errors.Is(err, index.ErrClosed):
				return
			case err != nil:
				more, again = false, time.After(upkeepPause)
			}
		}
	}
}

func (s *Store) wakeUpkeep() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// untidy reports whether there is something to do for the upkeep.
func (w *writing) untidy() (bool, error) {
	passes, err := w.passes()
	if err != nil || len(passes) > 0 {
		return true, err
	}
	if w.untyped() != nil {
		return true, nil
	}
	unused, err := w.unusedTable()
	return unused != "", err
}

// tidy makes a step, and reports whether there was something to do.
func (w *writing) tidy() (more bool, err error) {
	if more, err := w.stepPass(); more || err != nil {
		return more, err
	}
	if more, err := w.stepTyping(); more || err != nil {
		return more, err
	}
	unused, err := w.unusedTable()
	if err != nil || unused == "" {
		return false, err
	}
	// A rebuild wants many pages, sooner than a change could ask for them.
	if w.next == nil && w.freePages() >= enoughFree {
		w.reserve = true
		return false, nil
	}
	return true, w.stepDrop(unused)
}

// unusedTable returns a generation or an outbox that nothing leads to, or the
// reserve, or "".
func (w *writing) unusedTable() (table, error) {
	outbox, err := getField(w.meta, fieldOutbox)
	if err != nil {
		return "", err
	}
	used := []table{outboxTable(outbox)}
	for _, g := range w.generations() {
		used = append(used, generationTable(g.number))
	}
	passes, err := w.passes()
	if err != nil {
		return "", err
	}
	for _, p := range passes {
		used = append(used, generationTable(p.of), generationTable(p.against))
	}
	cursor := w.tx.Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		numbered := bytes.HasPrefix(name, []byte(generationPrefix)) || bytes.HasPrefix(name, []byte(outboxPrefix))
		if numbered && !slices.Contains(used, table(name)) || table(name) == tableReserve {
			return table(name), nil
		}
	}
	return "", nil
}

// stepDrop drops keys of what is unused, and at last its bucket.
func (w *writing) stepDrop(name table) error {
	bucket, err := openTable(w.tx, name)
	if err != nil {
		return err
	}
	parts := []*bbolt.Bucket{bucket}
	if strings.HasPrefix(string(name), outboxPrefix) || isEarly(bucket) {
		// The others have no buckets, but many keys to look for them among.
		parts = nil
		err := bucket.ForEachBucket(func(name []byte) error {
			parts = append(parts, bucket.Bucket(name))
			return nil
		})
		if err != nil {
			return err
		}
	}
	left := dropStep
	for _, part := range parts {
		dropped, err := w.dropKeys(part, left)
		if left -= dropped; err != nil || left == 0 {
			return err
		}
	}
	w.dirty = true
	return w.tx.DeleteBucket([]byte(name))
}

// dropKeys drops the first keys of a bucket.
func (w *writing) dropKeys(bucket *bbolt.Bucket, limit int) (int, error) {
	var keys [][]byte
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil && len(keys) < limit; key, _ = cursor.Next() {
		keys = append(keys, bytes.Clone(key))
	}
	for _, key := range keys {
		if err := w.delete(bucket, key); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
