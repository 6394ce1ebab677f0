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
	"github.com/backref/backref/index/commit"
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

	// Attempted is told of each transaction that changes the file, or could not:
	// how many changes it has, and its error. It is called by one goroutine. Nil
	// hears nothing.
	Attempted func(changes int, err error)

	// moveStep is smaller in tests, and failPoint is theirs.
	moveStep  int
	failPoint func(instant) error
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

	// queue has the one goroutine that changes the file.
	queue *commit.Queue[change]
	// wake tells the upkeep that there is something to do, and rested is closed
	// when it has ended.
	wake   chan struct{}
	rested chan struct{}
	// broken is why no more changes are made, and stuck says that none could
	// even begin: see [Store.commit] and [Store.rollback]. These, full, free
	// and desk belong to the writer.
	broken error
	stuck  bool
	full   fullDisk
	free   freeList
	desk   desk
	// failPoint is nil but in tests: see [Store.reach].
	failPoint func(instant) error
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
	if err := s.queue.Close(); err != nil {
		return err
	}
	<-s.rested
	s.listAtEnd()
	if s.stuck {
		return fmt.Errorf("close index: %w", s.broken)
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
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
