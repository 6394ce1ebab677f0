package bolt

import (
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"
)

// When it opens a file, bbolt reads the list of its free pages, if the last
// transaction wrote one; else it walks through all pages, which takes a second
// for every GB in memory, and ten on a disk. A list that is short costs a change
// a page or two. One that is long would cost each change all of it: it is
// written once nothing has changed for a while, and at the end, so that only a
// process that is killed amid changes leaves none.
//
// So that it is short again soon, changes put some of the free pages into a
// bucket of its own, the reserve, as does who writes the list. What a rebuild
// replaced is left as it is, and is one too. Both are dropped as pages are
// wanted.

const (
	// shortList is how many pages a list may have to be written with each
	// change: free ones, and those that a reader may still see.
	shortList = 4000
	// manyFree is from how many free pages on changes put some into the
	// reserve; where there are fewFree it is dropped, until there are enough.
	manyFree   = 750
	enoughFree = 500
	fewFree    = 250
	// stillness is for how long nothing is to change before a long list is
	// written, and once more for each so many pages.
	stillness      = time.Second
	stillnessPages = 100_000
	// A change puts one of so many free pages into the reserve, within the
	// bounds; one that nobody waits for takes more.
	reserveShare = 50
	reserveLeast = 16
	reserveMost  = 128
	reserveStill = 1000
	// smallReserve is how many pages the reserve may have in any case.
	smallReserve = 8000
	// Of entries of this size, with key and header, so many fill a page.
	reserveSize    = 1330
	reservePerPage = 3
)

// chooseList decides whether the transaction that is about to be committed
// writes the list. It belongs to the writer.
func (s *Store) chooseList(w *writing) {
	pages := w.freePages()
	if s.reserve = s.reserve || w.reserve; s.reserve && pages < fewFree {
		s.reserve = false
		s.wakeUpkeep()
	}
	s.unlisted = pages > shortList && !w.list
	s.db.NoFreelistSync = s.unlisted
	if s.unlisted || pages > shortList && w.saved {
		s.still.Reset(stillness * time.Duration(1+pages/stillnessPages))
	} else {
		s.still.Stop()
	}
}

// freePages returns how many pages a list would have.
func (w *writing) freePages() int {
	stats := w.tx.DB().Stats()
	return stats.FreePageN + stats.PendingPageN
}

// save puts free pages into the reserve where there are many. Those of a rebuild
// are about to be used.
func (w *writing) save() error {
	free := w.tx.DB().Stats().FreePageN
	if w.next != nil || free < manyFree {
		return nil
	}
	pages := max(reserveLeast, min(reserveMost, free/reserveShare))
	if w.list {
		pages = min(reserveStill, free-enoughFree)
	}
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableReserve))
	if err != nil || w.reserveIsFull(bucket) {
		return err
	}
	bucket.FillPercent = 1
	w.reserve, w.saved = true, true
	nothing := make([]byte, reserveSize)
	for range pages * reservePerPage {
		id, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		if err := w.put(bucket, number(id), nothing); err != nil {
			return err
		}
	}
	return nil
}

// reserveIsFull tells whether the reserve has as many pages as all that is in
// use, and smallReserve. What it takes breaks up the runs of pages that large records want, so
// that these take others from the end of the file: without a bound that would
// go on for ever.
func (w *writing) reserveIsFull(reserve *bbolt.Bucket) bool {
	first, _ := reserve.Cursor().First()
	if first == nil {
		return false
	}
	entries := reserve.Sequence() - binary.BigEndian.Uint64(first) + 1
	reserved := int64(entries / reservePerPage) //nolint:gosec // Fewer than the file has pages.
	pages := w.tx.Size() / int64(w.tx.DB().Info().PageSize)
	return reserved >= smallReserve && 2*reserved >= pages-int64(w.freePages())
}

// list writes the list of free pages, and puts some into the reserve. Where it
// can't be written, the next change tries again.
func (s *Store) list() {
	_ = s.change(context.Background(), func(w *writing) error {
		w.list, w.dirty = true, true
		return nil
	})
}
