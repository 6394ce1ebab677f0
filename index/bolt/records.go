package bolt

import (
	"bytes"
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
		live, err := liveTables(tx, tableManifests)
		if err != nil {
			return err
		}
		value := live[0].Get(key)
		if value == nil {
			return index.ErrNotFound
		}
		record, err = decodeRecord(repository, manifest, value)
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
		if stale, err = w.anyStale(keys, mark); stale || err != nil {
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
		live, err := liveTables(tx, tableManifests)
		if err != nil {
			return err
		}
		known = true
		for _, key := range keys {
			known = known && live[0].Get(key) != nil
		}
		return nil
	})
	return known, err
}

// anyStale reports whether one of the manifests that are not recorded yet may
// have been deleted since the mark.
func (w *writing) anyStale(keys [][]byte, mark index.Mark) (bool, error) {
	for _, key := range keys {
		if w.manifests.Get(key) != nil {
			continue
		}
		if stale, err := w.stalePresent(key, mark); stale || err != nil {
			return stale, err
		}
	}
	return false, nil
}

func (w *writing) observe(key []byte, record index.Record) error {
	if w.manifests.Get(key) != nil {
		return nil
	}
	if err := w.putRecord(key, record); err != nil {
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

// putRecord writes a record and what is derived from it. It replaces the one
// that is there, but keeps when it was seen if that is earlier.
func (w *writing) putRecord(key []byte, record index.Record) error {
	old := w.manifests.Get(key)
	if old != nil {
		before, err := decodeRecord(record.Repository, record.Digest, old)
		if err != nil {
			return err
		}
		if before.Seen.Before(record.Seen) {
			record.Seen = before.Seen
		}
	}
	value, err := encodeRecord(record)
	if err != nil || bytes.Equal(old, value) {
		return err
	}
	if _, err := w.removeRecord(key, record.Repository, record.Digest); err != nil {
		return err
	}
	if err := w.put(w.manifests, key, value); err != nil {
		return err
	}
	if err := w.putReferrer(record); err != nil {
		return err
	}
	return w.putParents(record)
}

// removeRecord removes a record and what is derived from it, where there is
// one.
func (w *writing) removeRecord(key []byte, repository string, manifest digest.Digest) (removed bool, err error) {
	value := w.manifests.Get(key)
	if value == nil {
		return false, nil
	}
	record, err := decodeRecord(repository, manifest, value)
	if err != nil {
		return false, err
	}
	if err := w.removeReferrer(record); err != nil {
		return false, err
	}
	if err := w.removeParents(record); err != nil {
		return false, err
	}
	return true, w.delete(w.manifests, key)
}
