package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index/commit"
	"go.etcd.io/bbolt"
)

// change is what the writer does for one call. It may be run again in another
// transaction, so it sets what it returns to its caller each time, and only an
// error that nothing was meant to cause is returned: it undoes the transaction.
type change func(*writing) error

// change has the writer make a change and waits until it is on disk.
func (s *Store) change(ctx context.Context, apply change) error {
	return s.queue.Commit(ctx, apply)
}

// changeLater is change for a caller that is in no hurry.
func (s *Store) changeLater(ctx context.Context, apply change) error {
	return s.queue.CommitLater(ctx, apply)
}

// attempt makes the changes in one transaction, as [commit.Attempt] says.
//
// A commit that panics leaves bbolt in a state that nobody has thought about:
// the store makes no change after it, but can be read.
func (s *Store) attempt(batch []change) (failed int, err error) {
	if s.broken != nil {
		return commit.All, s.broken
	}
	if err := s.full.rests(); err != nil {
		return commit.All, err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return commit.All, fmt.Errorf("begin change of index: %w", err)
	}
	var w *writing
	err = guard(func() error {
		w, err = newWriting(tx, s.now())
		return err
	})
	failed = commit.All
	for place, apply := range batch {
		if err != nil {
			break
		}
		if err = guard(func() error { return apply(w) }); err != nil {
			failed = place
		}
	}
	if err == nil && w.dirty {
		err = guard(w.save)
	}
	if err != nil || !w.dirty {
		s.rollback(tx)
		return failed, err
	}
	// Whatever becomes of the commit, what was made of the listings before may
	// be wrong after it.
	defer w.announce(s.versions)
	s.chooseList(w)
	returned := false
	err = guard(func() error {
		err := tx.Commit()
		returned = true
		return err
	})
	s.full.tried(err)
	switch {
	case !returned:
		s.broken = err
		s.rollback(tx)
		return commit.All, err
	case err != nil:
		return commit.All, fmt.Errorf("commit change of index: %w", err)
	default:
		s.mark.Store(w.sequence)
		return commit.All, nil
	}
}

// rollback undoes a transaction. Where even that fails, bbolt keeps the lock
// of its writer, and whoever asks for it waits for ever.
func (s *Store) rollback(tx *bbolt.Tx) {
	if err := guard(tx.Rollback); err != nil {
		s.broken, s.stuck = err, true
	}
}
