package bolt

import (
	"context"
	"time"
)

// When it opens a file, bbolt reads the list of its free pages, if the last
// transaction wrote one; else it walks through all pages, which takes a second
// for every GB or so. A list that is short costs a change a page or two. One
// that is long, as after a rebuild or a backup under load, would cost each
// change all of it: it is written once nothing has changed for a while, and at
// the end, so that only a process that is killed amid changes leaves none.
//
// So that a rebuild leaves no long one, what it replaced is dropped only as
// pages are wanted. Until then it is a reserve of them.

const (
	// shortList is how many pages a list may have to be written with each
	// change.
	shortList = 1000
	// stillness is for how long nothing is to change before a long list is
	// written, and once more for each so many pages.
	stillness      = time.Second
	stillnessPages = 100_000
)

// chooseList decides whether the transaction that is about to be committed
// writes the list. It belongs to the writer.
func (s *Store) chooseList(w *writing) {
	pages := w.freePages()
	if s.reserve && pages < shortList/2 {
		s.reserve = false
		s.wakeUpkeep()
	}
	s.unlisted = pages > shortList && !w.list
	s.db.NoFreelistSync = s.unlisted
	if s.unlisted {
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

// list writes the list of free pages and nothing else. Where it can't be
// written, the next change tries again.
func (s *Store) list() {
	_ = s.change(context.Background(), func(w *writing) error {
		w.list, w.dirty = true, true
		return nil
	})
}
