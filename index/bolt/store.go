package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options of a store. The zero value is right for a server.
type Options struct {
	// LockTimeout is how long Open waits for another process to let go of the
	// file; 0 means one second.
	LockTimeout time.Duration
	// Now is the clock by which old parts of the history are dropped and
	// intents are found to be over at opening; nil means time.Now.
	Now func() time.Time
	// Migrating is told, in the course of Open, how far an index of an earlier
	// format has been brought. An error of it ends the opening with that; what
	// was done is kept. Nil lets it run to its end.
	Migrating func(index.Migration) error

	// moveStep is smaller in tests.
	moveStep int
}

func (o Options) withDefaults() Options {
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.moveStep == 0 {
		o.moveStep = moveStep
	}
	if o.Migrating == nil {
		o.Migrating = func(index.Migration) error { return nil }
	}
	return o
}

// Store is an index in one bbolt file. Its methods are those of [index.Store].
type Store struct {
	db  *bbolt.DB
	now func() time.Time

	// mark follows the sequence of the last change on disk.
	mark atomic.Uint64

	// versions are those of listings, each named by repository and referrers
	// tag: an import knows no subject.
	versions *index.Versions

	// gatherings are the lists of pages that were made, for pages to come.
	gatherings sync.Pool

	// gate is held for reading while a change is handed to the writer, and for
	// writing to end that.
	gate   sync.RWMutex
	closed bool
	queue  chan *change
	// stopped is closed when the writer is through with the queue.
	stopped chan struct{}
	// wake tells the upkeep that there is something to do, and rested is closed
	// when it has ended.
	wake   chan struct{}
	rested chan struct{}
	// broken, stuck, unlisted and reserve belong to the writer: see
	// [Store.attempt], [Store.rollback] and [Store.chooseList].
	broken error
	stuck  bool
	// full and desk are the writer's too.
	full fullDisk
	desk desk
	// unlisted says that the file has no list of its free pages, and still
	// tells the upkeep that it is time to write one.
	unlisted bool
	still    *time.Timer
	// reserve says that the upkeep is to be woken once pages are wanted.
	reserve bool
}

var (
	_ index.Store         = (*Store)(nil)
	_ index.LateConfirmer = (*Store)(nil)
)

// Mark implements [index.Store]. It costs no transaction.
func (s *Store) Mark(ctx context.Context) (index.Mark, error) {
	return index.Mark(s.mark.Load()), ctx.Err()
}

// Close implements [index.Store]. It waits for the changes that are enqueued.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return index.ErrClosed
	}
	s.closed = true
	close(s.queue)
	s.gate.Unlock()
	<-s.stopped
	<-s.rested
	if s.broken == nil && s.unlisted {
		s.saveFreelist()
	}
	if s.stuck {
		return fmt.Errorf("close index: %w", s.broken)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
}

// saveFreelist spares the next opening a walk through all pages. Where it can't
// be written, as on a full disk, the walk finds the free ones.
func (s *Store) saveFreelist() {
	s.db.NoFreelistSync = false
	tx, err := s.db.Begin(true)
	if err != nil {
		return
	}
	returned := false
	err = guard(func() error {
		err := tx.Commit()
		returned = true
		return err
	})
	if !returned {
		s.broken = err
		s.rollback(tx)
	}
}

// view runs fn in a read transaction.
func (s *Store) view(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := guard(func() error { return s.db.View(fn) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return index.ErrClosed
	}
	return err
}

// guard runs fn and turns a panic into damage. bbolt panics on pages that make
// no sense, and reading a page that the file no longer has is a fault.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", index.ErrDamaged, r)
		}
	}()
	return fn()
}
