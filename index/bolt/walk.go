package bolt

import (
	"bytes"
	"slices"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// walk goes through the keys with a prefix, in either direction.
type walk struct {
	cursor *bbolt.Cursor
	prefix []byte
	// start is the key behind which it begins, which need not be there; nil
	// means all keys.
	start    []byte
	backward bool
}

// walkOf walks in the direction of a query. The start is what stands behind the
// prefix.
func walkOf(bucket *bbolt.Bucket, prefix, start []byte, query index.Query) *walk {
	if start != nil {
		start = slices.Concat(prefix, start)
	}
	return &walk{cursor: bucket.Cursor(), prefix: prefix, start: start, backward: query.Order.Descending}
}

// first moves to the first key; nil where there is none.
func (w *walk) first() (key, value []byte) {
	switch {
	case w.backward && w.start == nil:
		key, value = w.before(behindPrefix(w.prefix))
	case w.backward:
		key, value = w.before(w.start)
	case w.start == nil:
		key, value = w.cursor.Seek(w.prefix)
	default:
		key, value = seekBehind(w.cursor, w.start)
	}
	return w.within(key, value)
}

// next moves on; nil at the end.
func (w *walk) next() (key, value []byte) {
	if w.backward {
		return w.within(w.cursor.Prev())
	}
	return w.within(w.cursor.Next())
}

// before moves to the last key before one.
func (w *walk) before(key []byte) (found, value []byte) {
	if at, _ := w.cursor.Seek(key); at == nil {
		return w.cursor.Last()
	}
	return w.cursor.Prev()
}

func (w *walk) within(key, value []byte) (found, of []byte) {
	if !bytes.HasPrefix(key, w.prefix) {
		return nil, nil
	}
	return key, value
}

// behindPrefix returns the first key behind all that have a prefix, which
// has the letter of a section and so is not all of the highest byte.
func behindPrefix(prefix []byte) []byte {
	end := bytes.Clone(bytes.TrimRight(prefix, "\xff"))
	end[len(end)-1]++
	return end
}
