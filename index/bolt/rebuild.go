package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// scanStep bounds the records that one call of Unfilled looks at.
const scanStep = 10_000

// checkpointKey is where a generation in the making keeps the checkpoint.
func checkpointKey() []byte { return sectionKey(repositoryNumber{}, sectionCheckpoint) }

// BeginRebuild implements [index.Rebuilder].
func (s *Store) BeginRebuild(ctx context.Context) ([]byte, error) {
	var checkpoint []byte
	err := s.change(ctx, func(w *writing) error {
		if w.next != nil {
			checkpoint = bytes.Clone(w.next.records.Get(checkpointKey()))
			return nil
		}
		checkpoint = nil
		return w.beginGeneration()
	})
	if err != nil {
		return nil, fmt.Errorf("begin rebuild: %w", err)
	}
	return checkpoint, nil
}

func (w *writing) beginGeneration() error {
	number, err := w.freshNumber()
	if err != nil {
		return err
	}
	if err := createGeneration(w.tx, number); err != nil {
		return err
	}
	if w.next, err = openGeneration(w.tx, number); err != nil {
		return err
	}
	return w.putField(fieldBuilding, number)
}

// Fill implements [index.Rebuilder]. It costs no write where the records are
// known and the checkpoint is the one that was saved.
func (s *Store) Fill(ctx context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error {
	keys, err := checkRecords(records)
	if err != nil {
		return err
	}
	err = s.decide(ctx, func(w *writing) error {
		w.ledger.Building = w.next != nil
		if err := w.ledger.Fill(mark, records, w.with(keys)); err != nil {
			return err
		}
		return w.saveCheckpoint(checkpoint)
	})
	if err != nil {
		return fmt.Errorf("fill %d manifests: %w", len(records), err)
	}
	return nil
}

func (w *writing) saveCheckpoint(checkpoint []byte) error {
	key := checkpointKey()
	switch {
	case bytes.Equal(w.next.records.Get(key), checkpoint):
		return nil
	case len(checkpoint) == 0:
		return w.delete(w.next.records, key)
	default:
		return w.put(w.next.records, key, checkpoint)
	}
}

// Unfilled implements [index.Rebuilder].
func (s *Store) Unfilled(ctx context.Context, after index.Key, limit int) (records []index.Record, scanned index.Key, err error) {
	start, err := startBehind(after)
	if err != nil {
		return nil, index.Key{}, err
	}
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, next, err := openGenerations(tx)
		if err != nil {
			return err
		}
		if next == nil {
			return index.ErrNoRebuild
		}
		records, scanned, err = unfilled(live, next, start, limit)
		return err
	})
	if err != nil {
		return nil, index.Key{}, fmt.Errorf("list what a rebuild lacks: %w", err)
	}
	return records, scanned, nil
}

func unfilled(live, next *generation, start []byte, limit int) (records []index.Record, scanned index.Key, err error) {
	t := live.tour(sectionManifests)
	looked := 0
	manifest, value, err := t.first(start)
	for ; err == nil && manifest != nil; manifest, value, err = t.next() {
		key := t.key(manifest)
		if next.get(key) == nil {
			record, err := t.record(manifest, value)
			if err != nil {
				return nil, index.Key{}, err
			}
			records = append(records, record)
		}
		if looked++; looked == scanStep || limit > 0 && len(records) == limit {
			scanned, err = readKey(key)
			return records, scanned, err
		}
	}
	return records, index.Key{}, err
}

// FinishRebuild implements [index.Rebuilder]. It swaps two numbers; what was
// the live generation is dropped little by little.
func (s *Store) FinishRebuild(ctx context.Context) error {
	refused, mirrored := false, false
	err := s.change(ctx, func(w *writing) error {
		refused, mirrored = w.next == nil, w.outbox != nil
		if refused {
			return nil
		}
		return w.swap()
	})
	if err == nil && refused {
		err = index.ErrNoRebuild
	}
	if err != nil {
		return fmt.Errorf("finish rebuild: %w", err)
	}
	if mirrored {
		// What this leaves, and the error, are for the upkeep: the swap is done.
		_ = s.enterAll(ctx)
	}
	s.wakeUpkeep()
	return nil
}

func (w *writing) swap() error {
	w.allTouched = true
	before := w.live
	if err := w.saveCheckpoint(nil); err != nil {
		return err
	}
	w.live, w.next = w.next, nil
	if w.outbox != nil {
		// What either has and the other lacks is a listing that changes.
		for _, p := range []pass{
			{of: before.number, against: w.live.number},
			{of: w.live.number, against: before.number},
		} {
			if err := w.addPass(p); err != nil {
				return err
			}
		}
	}
	if err := w.putField(fieldGeneration, w.live.number); err != nil {
		return err
	}
	return w.putField(fieldBuilding, 0)
}

// AbandonRebuild implements [index.Rebuilder]. What was built is dropped little
// by little.
func (s *Store) AbandonRebuild(ctx context.Context) error {
	err := s.change(ctx, func(w *writing) error {
		if w.next == nil {
			return nil
		}
		w.next = nil
		return w.putField(fieldBuilding, 0)
	})
	if err != nil {
		return fmt.Errorf("abandon rebuild: %w", err)
	}
	s.wakeUpkeep()
	return nil
}
