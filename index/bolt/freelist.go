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
// a page or two. One that is long costs each change all of it, and is kept short for
// that; one that is too long all the same is written once nothing has changed for a
// while, and at the end.
//
// So that it is short, changes put free pages into a bucket of its own, the reserve,
// as does who writes the list: some of them, and as many as the change before has set
// free, so that the list doesn't grow however much is deleted. What a rebuild
// replaced is left as it is, and is one too. Both are dropped as pages are wanted.
//
// What is left is a process that is killed while a reader holds too many pages that
// were set free since it began, as a backup does that takes long under load, or
// just after it.
//
// # What is relied on of bbolt
//
// All of it is in this file, and is public, but not all is promised. As of
// v1.5.0:
//
//   - Tx.Commit reads DB.NoFreelistSync each time, and nothing else does while a
//     file is open: so the writer may set it before each commit, and there is no
//     race. It is documented as an option of Open. If Open alone read it, a list
//     would be written by no change or by every one.
//   - A commit without the list says so in the meta page, and the next Open walks
//     through the pages. If Open took an older list instead, pages in use would
//     be free to it.
//   - DB.Stats has in FreePageN and PendingPageN, as of the end of the last write
//     transaction, the pages that a list would have: those that are free, and
//     those that a reader may still see. Open counts the former.
//     Options.NoStatistics would make both 0.
//   - DB.Info has in PageSize that of the file, which is that of the machine that
//     made it: 4 KiB, or up to 64.
//   - Options.PreLoadFreelist has a file that is opened to be read panic on a list
//     that makes no sense, as one that is opened to be written does.
//   - Options.FreelistType chooses how free pages are searched. bbolt means to
//     drop it once there is one way.
//   - A bucket whose FillPercent is 1 gets pages that are full, and an entry has
//     16 bytes beside its key and value, as a page has.
//
// TestWhatIsReliedOnOfBbolt holds bbolt to each of them, but for the last, to
// which TestPagesOfEverySize does, and for a field that is dropped, without which
// nothing compiles.

const (
	// shortList is how many pages a list may have to cost little: free ones, and those
	// that a reader may still see. Each takes eight bytes of it.
	shortList = 4000
	// longList is how many pages it may have to be written with each change. One so
	// long costs a change some milliseconds.
	longList = 50_000
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
	// bounds; one that follows a change which has set many free, or that nobody waits
	// for, takes more.
	reserveShare  = 50
	reserveLeast  = 16
	reserveMost   = 128
	reserveGrowth = 1000
	reserveStill  = 1000
	// smallReserve is how many bytes the reserve may have in any case.
	smallReserve = 32 << 20
	// So many entries fill a page of the reserve, each of which takes, beside its
	// value, no more than reserveBeside: its key, and what bbolt adds.
	reservePerPage = 3
	reserveBeside  = 40
)

// freeList is what the writer knows of the list of free pages.
type freeList struct {
	// listed says that the last transaction wrote the list, and still tells the
	// upkeep that it is time to write one.
	listed bool
	still  *time.Timer
	// reserve says that the upkeep is to be woken once pages are wanted.
	reserve bool
	// long is [longList].
	long int
	// before is how many pages were free when the last change was made, and size that
	// of the file when the reserve was last no larger than what is in use.
	before int
	size   int64
}

// withFreeList completes the options of a file that is opened to be changed:
// the pages of a large one are searched on every change, and its list is written
// when [Store.chooseList] says so and not at once.
func withFreeList(options bbolt.Options) bbolt.Options {
	options.FreelistType = bbolt.FreelistMapType
	options.NoFreelistSync = true
	return options
}

// checkFreeList looks at the list of free pages, or for them. bbolt panics on a
// list that makes no sense, and then keeps its lock until the process ends. This
// one is shared, so that the next try gets as far as this one.
func checkFreeList(path string, until time.Time) error {
	db, err := openFile(path, until, bbolt.Options{
		ReadOnly: true, PreLoadFreelist: true, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return err
	}
	return guard(db.Close)
}

// newFreeList returns the list of a file that was opened. An opening that took
// long has walked through all pages, and wants a list for the next even if
// nothing changes; one that was quick found what it needs, or little to walk
// through.
func newFreeList(db *bbolt.DB, slow bool) freeList {
	f := freeList{listed: !slow, still: time.NewTimer(stillness), long: longList}
	if f.listed && db.Stats().FreePageN <= shortList {
		f.still.Stop()
	}
	return f
}

// chooseList decides whether the transaction that is about to be committed
// writes the list. It belongs to the writer.
func (s *Store) chooseList(w *writing) {
	f, pages := &s.free, w.freePages()
	if f.reserve = f.reserve || w.reserve; f.reserve && pages < fewFree {
		f.reserve = false
		s.wakeUpkeep()
	}
	f.listed = pages <= f.long || w.list
	s.db.NoFreelistSync = !f.listed
	if !f.listed || pages > shortList && w.saved {
		f.still.Reset(stillness * time.Duration(1+pages/stillnessPages))
	} else {
		f.still.Stop()
	}
}

// listAtEnd spares the next opening a walk through all pages. Where the list
// can't be written, as on a full disk, the walk finds the free ones. It is for a
// store whose writer has ended.
func (s *Store) listAtEnd() {
	if s.free.listed || s.broken != nil {
		return
	}
	s.db.NoFreelistSync = false
	tx, err := s.db.Begin(true)
	if err != nil {
		return
	}
	_ = s.commit(tx)
}

// list writes the list of free pages, and puts some into the reserve. Where it
// can't be written, the next change tries again.
func (s *Store) list() {
	_ = s.change(context.Background(), func(w *writing) error {
		w.list, w.dirty = true, true
		return nil
	})
}

// freePages returns how many pages a list would have.
func (w *writing) freePages() int {
	stats := w.tx.DB().Stats()
	return stats.FreePageN + stats.PendingPageN
}

// save puts free pages into the reserve where there are many. Those of a rebuild
// are about to be used.
func (w *writing) save(f *freeList) error {
	free := w.tx.DB().Stats().FreePageN
	growth := free - f.before
	f.before = free
	if w.next != nil || free < manyFree {
		return nil
	}
	pages := max(reserveLeast, min(reserveMost, free/reserveShare), min(reserveGrowth, growth, free-enoughFree))
	if w.list {
		pages = min(reserveStill, free-enoughFree)
	}
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableReserve))
	if err != nil || w.reserveIsFull(f, bucket) {
		return err
	}
	bucket.FillPercent = 1
	w.reserve, w.saved = true, true
	nothing := make([]byte, w.pageSize()/reservePerPage-reserveBeside)
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
// use, and smallReserve, and the file has grown since it had fewer. What it takes
// breaks up the runs of pages that large records want, so that these take others from
// the end of the file: without a bound that would go on for ever. Where the file
// doesn't grow, as while most of an index is deleted, there is no need for one.
func (w *writing) reserveIsFull(f *freeList, reserve *bbolt.Bucket) bool {
	var reserved int64
	if first, _ := reserve.Cursor().First(); first != nil {
		entries := reserve.Sequence() - binary.BigEndian.Uint64(first) + 1
		reserved = int64(entries / reservePerPage) //nolint:gosec // Fewer than the file has pages.
	}
	pages := w.tx.Size() / int64(w.pageSize())
	if reserved*int64(w.pageSize()) < smallReserve || 2*reserved < pages-int64(w.freePages()) {
		f.size = w.tx.Size()
		return false
	}
	if f.size == 0 {
		// It is as the process before has left it.
		f.size = w.tx.Size()
	}
	return w.tx.Size() > f.size
}

// pageSize returns the bytes of a page of the file.
func (w *writing) pageSize() int { return w.tx.DB().Info().PageSize }
