package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// outbox is one from when it is turned on to when it is turned off.
type outbox struct {
	// entries lead from numbers to listings, listings back, and passes are what
	// is still to be entered.
	entries, listings, passes *bbolt.Bucket
}

func openOutbox(in parent, number uint64) (*outbox, error) {
	bucket, err := openTable(in, outboxTable(number))
	if err != nil {
		return nil, err
	}
	o := &outbox{}
	err = openTables(bucket, map[table]**bbolt.Bucket{
		tableEntries:  &o.entries,
		tableListings: &o.listings,
		tablePasses:   &o.passes,
	})
	return o, err
}

// SetOutbox implements [index.Outbox].
func (s *Store) SetOutbox(ctx context.Context, on bool) error {
	err := s.change(ctx, func(w *writing) error {
		switch {
		case on && w.outbox == nil:
			return w.openNewOutbox()
		case !on && w.outbox != nil:
			w.outbox = nil
			return w.putField(fieldOutbox, 0)
		default:
			return nil
		}
	})
	if err == nil && on {
		err = s.enterAll(ctx)
	}
	s.wakeUpkeep()
	if err != nil {
		return fmt.Errorf("set outbox: %w", err)
	}
	return nil
}

func (w *writing) openNewOutbox() error {
	number, err := w.freshNumber()
	if err != nil {
		return err
	}
	if err := createTables(w.tx, outboxTable(number), tableEntries, tableListings, tablePasses); err != nil {
		return err
	}
	if w.outbox, err = openOutbox(w.tx, number); err != nil {
		return err
	}
	if err := w.putField(fieldOutbox, number); err != nil {
		return err
	}
	return w.addPass(pass{of: w.live.number})
}

// enterListing enters a listing, given by its repository and subject.
func (w *writing) enterListing(listing index.Key) error {
	if w.outbox == nil {
		return nil
	}
	key, err := repositoryKey(listing.Repository, listing.Digest)
	if err != nil {
		return err
	}
	return w.enter(key)
}

// enter enters a listing, given by the key of its repository and subject, as
// the one that has changed last.
func (w *writing) enter(listing []byte) error {
	if w.outbox == nil {
		return nil
	}
	if before := w.outbox.listings.Get(listing); before != nil {
		if err := w.delete(w.outbox.entries, bytes.Clone(before)); err != nil {
			return err
		}
	}
	fresh, err := w.freshNumber()
	if err != nil {
		return err
	}
	if err := w.put(w.outbox.entries, number(fresh), listing); err != nil {
		return err
	}
	return w.put(w.outbox.listings, listing, number(fresh))
}

// Changed implements [index.Outbox].
func (s *Store) Changed(ctx context.Context, after uint64, limit int) ([]index.Change, error) {
	var changes []index.Change
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		meta, err := openTable(tx, tableMeta)
		if err != nil {
			return err
		}
		on, err := getField(meta, fieldOutbox)
		if err != nil || on == 0 {
			return err
		}
		o, err := openOutbox(tx, on)
		if err != nil {
			return err
		}
		cursor := o.entries.Cursor()
		key, listing := seekBehind(cursor, number(after))
		for ; key != nil && (limit <= 0 || len(changes) < limit); key, listing = cursor.Next() {
			if len(key) != 8 {
				return fmt.Errorf("%w: key of the outbox", index.ErrDamaged)
			}
			at, err := readKey(listing)
			if err != nil {
				return err
			}
			changes = append(changes, index.Change{Number: binary.BigEndian.Uint64(key), Repository: at.Repository, Subject: at.Digest})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	return changes, nil
}

// Written implements [index.Outbox].
func (s *Store) Written(ctx context.Context, change index.Change) error {
	listing, err := repositoryKey(change.Repository, change.Subject)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(w *writing) error {
		if w.outbox == nil || !bytes.Equal(w.outbox.listings.Get(listing), number(change.Number)) {
			return nil
		}
		if err := w.delete(w.outbox.listings, listing); err != nil {
			return err
		}
		return w.delete(w.outbox.entries, number(change.Number))
	})
	if err != nil {
		return fmt.Errorf("take %s in %s out of the outbox: %w", change.Subject, change.Repository, err)
	}
	return nil
}
