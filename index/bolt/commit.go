package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index/commit"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
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
func (s *Store) attempt(batch []change) (failed int, err error) {
	if s.broken != nil {
		return commit.All, s.broken
	}
	if err := s.full.rests(); err != nil {
		return commit.All, err
	}
	if err := s.reach(atBegin); err != nil {
		return commit.All, err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return commit.All, fmt.Errorf("begin change of index: %w", err)
	}
	w, failed, err := s.apply(tx, batch)
	if err != nil || !w.dirty && !w.checked {
		s.rollback(tx)
		return failed, err
	}
	// Whatever becomes of the commit, what was made of the listings before may
	// be wrong after it.
	defer w.announce(s.versions)
	err = s.commit(tx)
	if err != nil || w.dirty {
		s.full.tried(err)
	}
	if err != nil {
		return commit.All, fmt.Errorf("commit change of index: %w", err)
	}
	s.mark.Store(w.ledger.Sequence)
	return commit.All, s.reach(atCommitted)
}

// apply makes the changes in a transaction, with what the store adds of its own
// where there is something to commit. It panics under no circumstances: bbolt
// would keep the lock of its writer.
func (s *Store) apply(tx *bbolt.Tx, batch []change) (w *writing, failed int, err error) {
	failed = commit.All
	err = guard(func() error {
		if w, err = newWriting(tx, s.now()); err == nil {
			w.desk = &s.desk
		}
		return err
	})
	for place, apply := range batch {
		if err != nil {
			return w, failed, err
		}
		if err = guard(func() error { return apply(w) }); err != nil {
			failed = place
		}
	}
	if err != nil || !w.dirty {
		return w, failed, err
	}
	err = guard(func() error {
		if err := s.reach(atApplied); err != nil {
			return err
		}
		if err := w.save(&s.free); err != nil {
			return err
		}
		s.chooseList(w)
		return s.reach(atSaved)
	})
	return w, failed, err
}

// errUnknownOutcome means that a transaction is in the file, and that the disk
// may not have it.
var errUnknownOutcome = errors.New("whether the change is on disk is not known until the index is opened again")

// commit writes a transaction to disk. Where that fails nothing of it has
// happened, with two exceptions, after which the store can be read but makes no
// change any more.
//
// A commit that panics leaves bbolt in a state that nobody has thought about.
// And where the meta page was written but not synced, all that read from now on
// see the transaction although it failed, while bbolt, which takes it for undone,
// has set the pages free that earlier readers still see.
func (s *Store) commit(tx *bbolt.Tx) error {
	id, returned := tx.ID(), false
	err := guard(func() error {
		err := tx.Commit()
		if err == nil {
			err = s.reach(atWritten)
		}
		returned = true
		return err
	})
	switch {
	case err == nil:
		return nil
	case !returned:
		s.rollback(tx)
	case s.shows(id):
		err = fmt.Errorf("%w: %w", errUnknownOutcome, err)
	default:
		return err
	}
	if s.broken == nil {
		s.broken = err
	}
	return err
}

// shows reports whether readers see a transaction, or can't tell.
func (s *Store) shows(id int) bool {
	shows := true
	err := guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			shows = tx.ID() >= id
			return nil
		})
	})
	return shows || err != nil
}

// rollback undoes a transaction, unless it has ended. Where even that fails,
// bbolt keeps the lock of its writer, and whoever asks for it waits for ever.
func (s *Store) rollback(tx *bbolt.Tx) {
	if err := guard(tx.Rollback); err != nil && !errors.Is(err, berrors.ErrTxClosed) {
		s.broken, s.stuck = err, true
	}
}
