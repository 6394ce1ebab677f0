package bolt

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
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
		if record, _, found, err = live.record(key); err == nil && !found {
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
	keys, err := checkRecords(records)
	if err != nil {
		return err
	}
	known, err := s.allKnown(ctx, keys)
	if err != nil || known {
		return err
	}
	err = s.decide(ctx, func(w *writing) error { return ledger.Observe(mark, records, w.with(keys)) })
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

// checkRecords returns the keys of records that can be kept.
func checkRecords(records []index.Record) ([][]byte, error) {
	keys := make([][]byte, len(records))
	for i, record := range records {
		var err error
		if keys[i], err = checkRecord(record); err != nil {
			return nil, err
		}
	}
	return keys, nil
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
