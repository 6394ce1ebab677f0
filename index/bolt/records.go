package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Get implements [index.Store].
func (s *Store) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	key, err := repositoryKey(repository, manifest)
	if err != nil {
		return index.Record{}, err
	}
	var record index.Record
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		var found bool
		if record, found, err = live.record(key); err == nil && !found {
			return index.ErrNotFound
		}
		return err
	})
	if err != nil {
		return index.Record{}, fmt.Errorf("get %s of %s: %w", manifest, repository, err)
	}
	return record, nil
}

// Observe implements [index.Store]. It costs no write when all records are
// known, which is the usual case for what is pulled.
func (s *Store) Observe(ctx context.Context, mark index.Mark, records ...index.Record) error {
	keys := make([][]byte, len(records))
	for i, record := range records {
		var err error
		if keys[i], err = checkRecord(record); err != nil {
			return err
		}
	}
	known, err := s.allKnown(ctx, keys)
	if err != nil || known {
		return err
	}
	stale := false
	err = s.change(ctx, func(w *writing) error {
		stale = false
		var err error
		if stale, err = w.anyStale(w.live, keys, mark); stale || err != nil {
			return err
		}
		for i, record := range records {
			if err := w.observe(keys[i], record); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && stale {
		err = index.ErrStale
	}
	if err != nil {
		return fmt.Errorf("observe %d manifests: %w", len(records), err)
	}
	return nil
}

func (s *Store) allKnown(ctx context.Context, keys [][]byte) (known bool, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		known = true
		for _, key := range keys {
			known = known && live.get(key) != nil
		}
		return nil
	})
	return known, err
}

// anyStale reports whether one of the manifests that a generation has not got
// yet may have been deleted since the mark.
func (w *writing) anyStale(g *generation, keys [][]byte, mark index.Mark) (bool, error) {
	for _, key := range keys {
		if g.get(key) != nil {
			continue
		}
		if stale, err := w.stalePresent(key, mark); stale || err != nil {
			return stale, err
		}
	}
	return false, nil
}

func (w *writing) observe(key []byte, record index.Record) error {
	if w.live.get(key) != nil {
		return nil
	}
	if err := w.putRecord(key, record, true); err != nil {
		return err
	}
	if w.anyOpen(key, 0) {
		return w.markCame(key)
	}
	return nil
}

// checkRecord returns the key of a record that can be kept.
func checkRecord(record index.Record) ([]byte, error) {
	key, err := repositoryKey(record.Repository, record.Digest)
	if err != nil {
		return nil, err
	}
	_, err = encodeRecord(record)
	return key, err
}

// recorded reports whether a generation has a record.
func (w *writing) recorded(key []byte) bool {
	for _, g := range w.generations() {
		if g.get(key) != nil {
			return true
		}
	}
	return false
}

// putRecord writes a record to all generations. One that is news was found in
// the upstream after all marks.
func (w *writing) putRecord(key []byte, record index.Record, news bool) error {
	record, err := w.putIn(w.live, key, record, news)
	if err != nil || w.next == nil {
		return err
	}
	_, err = w.putIn(w.next, key, record, news)
	return err
}

// removeRecord removes a record from all generations, where there is one.
func (w *writing) removeRecord(key []byte) (removed bool, err error) {
	for _, g := range w.generations() {
		found, err := w.removeFrom(g, key)
		if err != nil {
			return false, err
		}
		removed = removed || found
	}
	if removed {
		err = w.forgetUnheld(key)
	}
	return removed, err
}
