package bolt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

const (
	// queueSize bounds the changes that wait for the writer; beyond it the
	// callers wait to get in.
	queueSize = 1024
	// batchSize bounds the changes of one transaction, and with them the time
	// that the first waits for the last.
	batchSize = 256
	// patience is how long a change that can wait does so for one that can't,
	// to share its transaction: each that is spared leaves the disk to others.
	patience = 5 * time.Millisecond
)

// change is one call that writes, handed to the writer.
type change struct {
	ctx context.Context
	// apply makes the change. It may be run again in another transaction, so
	// it sets what it returns to its caller each time, and only an error that
	// nothing was meant to cause is returned: it undoes the transaction.
	apply func(*writing) error
	// done takes the outcome. It has room for it, so that the writer never
	// waits for a caller that has gone.
	done chan error
	// patient says that its caller is in no hurry.
	patient bool
}

// change has the writer make a change and waits until it is on disk.
func (s *Store) change(ctx context.Context, apply func(*writing) error) error {
	return s.hand(&change{ctx: ctx, apply: apply, done: make(chan error, 1)})
}

// changeLater is change for a caller that is in no hurry.
func (s *Store) changeLater(ctx context.Context, apply func(*writing) error) error {
	return s.hand(&change{ctx: ctx, apply: apply, done: make(chan error, 1), patient: true})
}

// hand hands a change to the writer and waits for the outcome.
func (s *Store) hand(c *change) error {
	if err := s.enqueue(c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (s *Store) enqueue(c *change) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return index.ErrClosed
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	select {
	case s.queue <- c:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// write is the writer: the one goroutine that changes the file. All changes
// that came while it was busy go into one transaction, so that they share the
// time for which the disk is waited for. It ends with the queue.
func (s *Store) write() {
	defer close(s.stopped)
	batch := make([]*change, 0, batchSize)
	for first := range s.queue {
		batch = append(batch[:0], first)
		if first.patient {
			batch = s.await(batch)
		}
		for len(batch) < batchSize && len(s.queue) > 0 {
			batch = append(batch, <-s.queue)
		}
		s.commit(batch)
		clear(batch[:cap(batch)])
	}
}

// await adds what comes to changes that can wait, up to one that can't.
func (s *Store) await(batch []*change) []*change {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(batch) < batchSize {
		select {
		case c, open := <-s.queue:
			if !open {
				return batch
			}
			if batch = append(batch, c); !c.patient {
				return batch
			}
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// commit makes the changes and answers them. One that fails is taken out and
// the others are made without it.
func (s *Store) commit(batch []*change) {
	batch = slices.DeleteFunc(batch, func(c *change) bool {
		// Nobody waits for it any more, so it had better not happen.
		err := c.ctx.Err()
		if err != nil {
			c.done <- err
		}
		return err != nil
	})
	for len(batch) > 0 {
		failed, err := s.attempt(batch)
		if failed == nil {
			for _, c := range batch {
				c.done <- err
			}
			return
		}
		failed.done <- err
		batch = slices.DeleteFunc(batch, func(c *change) bool { return c == failed })
	}
}

// attempt makes the changes in one transaction. Where one of them can't be
// made it is returned with its error, and nothing has happened.
//
// A commit that panics leaves bbolt in a state that nobody has thought about:
// the store makes no change after it, but can be read.
func (s *Store) attempt(batch []*change) (failed *change, err error) {
	if s.broken != nil {
		return nil, s.broken
	}
	if err := s.full.rests(); err != nil {
		return nil, err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("begin change of index: %w", err)
	}
	var w *writing
	err = guard(func() error {
		w, err = newWriting(tx, s.now())
		return err
	})
	for _, c := range batch {
		if err != nil {
			break
		}
		w.desk = &s.desk
		if err = guard(func() error { return c.apply(w) }); err != nil {
			failed = c
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
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("commit change of index: %w", err)
	default:
		s.mark.Store(w.ledger.Sequence)
		return nil, nil
	}
}

// rollback undoes a transaction. Where even that fails, bbolt keeps the lock
// of its writer, and whoever asks for it waits for ever.
func (s *Store) rollback(tx *bbolt.Tx) {
	if err := guard(tx.Rollback); err != nil {
		s.broken, s.stuck = err, true
	}
}
