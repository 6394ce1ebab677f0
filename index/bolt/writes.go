package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
)

var _ index.WriteChecker = (*Store)(nil)

// roomTried is how many bytes of room are tried for after changes found none: a few
// pages may be free in the file where a push finds too few.
const roomTried = 256 << 10

// CheckWrites implements [index.WriteChecker]. It writes to the disk, since nothing
// else shows that it takes what is written: no page, unless changes found no room.
// Then it does so until there is some, although few changes may want as much.
func (s *Store) CheckWrites(ctx context.Context) error {
	tried := false
	err := s.change(ctx, func(w *writing) error {
		// A list that is long is not to be written for this alone.
		w.checked = !s.free.listed || w.freePages() <= shortList
		tried = s.full.found != nil
		if err := w.giveRoom(); err != nil || !tried {
			return err
		}
		return w.takeRoom()
	})
	if err == nil && tried {
		err = s.change(ctx, (*writing).giveRoom)
	}
	if err != nil {
		return fmt.Errorf("write to the index: %w", err)
	}
	return nil
}

// tableRoom is a bucket that is there while room is tried for, or where a process
// ended amid that.
const tableRoom table = "room"

// takeRoom takes pages that lie together.
func (w *writing) takeRoom() error {
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableRoom))
	if err != nil {
		return err
	}
	return w.put(bucket, []byte{0}, make([]byte, roomTried))
}

// giveRoom gives back what takeRoom took.
func (w *writing) giveRoom() error {
	if w.tx.Bucket([]byte(tableRoom)) == nil {
		return nil
	}
	w.dirty = true
	return w.tx.DeleteBucket([]byte(tableRoom))
}
