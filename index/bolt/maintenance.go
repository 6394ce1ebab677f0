package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

var _ index.Maintainer = (*Store)(nil)

// Intents implements [index.Maintainer].
func (s *Store) Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	var intents []index.Intent
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		intents, err = intentsOf(tx, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list intents: %w", err)
	}
	return intents, nil
}

func intentsOf(tx *bbolt.Tx, after index.IntentID, limit int) (intents []index.Intent, err error) {
	bucket, err := openTable(tx, tableIntents)
	if err != nil {
		return nil, err
	}
	cursor := bucket.Cursor()
	key, value := seekBehind(cursor, number(uint64(after)))
	for ; key != nil && (limit <= 0 || len(intents) < limit); key, value = cursor.Next() {
		id, err := readID(key)
		if err != nil {
			return nil, err
		}
		intent, err := readIntent(tx, id, value)
		if err != nil {
			return nil, err
		}
		intents = append(intents, intent)
	}
	return intents, nil
}

// Records implements [index.Maintainer].
func (s *Store) Records(ctx context.Context, after index.Key, limit int) ([]index.Record, error) {
	start, err := startBehind(after)
	if err != nil {
		return nil, err
	}
	var records []index.Record
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		t := live.tour(sectionManifests)
		manifest, value, err := t.first(start)
		for ; err == nil && manifest != nil && (limit <= 0 || len(records) < limit); manifest, value, err = t.next() {
			record, err := t.record(manifest, value)
			if err != nil {
				return err
			}
			records = append(records, record)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return records, nil
}

// Forget implements [index.Maintainer]. It costs no write where there is no
// record.
func (s *Store) Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error {
	key, err := repositoryKey(repository, manifest)
	if err != nil {
		return err
	}
	err = s.decide(ctx, func(w *writing) error {
		return w.decide(key, func(m *ledger.Matter) error { return m.Forget(mark) })
	})
	if err != nil {
		return fmt.Errorf("forget %s of %s: %w", manifest, repository, err)
	}
	return nil
}

// startBehind returns the key of a manifest behind which a listing begins. One
// without a digest stands before all of its repository.
func startBehind(after index.Key) ([]byte, error) {
	switch {
	case after == index.Key{}:
		return nil, nil
	case after.Digest == "":
		return repositoryKey(after.Repository)
	default:
		return repositoryKey(after.Repository, after.Digest)
	}
}

// seekBehind moves to the first key behind one, which need not be there.
func seekBehind(cursor *bbolt.Cursor, start []byte) (key, value []byte) {
	key, value = cursor.Seek(start)
	if key != nil && bytes.Equal(key, start) {
		return cursor.Next()
	}
	return key, value
}

// readKey reads a key that is a repository and a digest.
func readKey(key []byte) (index.Key, error) {
	repository, rest, _ := bytes.Cut(key, []byte{0})
	compact, rest, err := packed.CutDigest(rest)
	if err != nil {
		return index.Key{}, err
	}
	if len(repository) == 0 || len(rest) > 0 {
		return index.Key{}, fmt.Errorf("%w: key of a record", index.ErrDamaged)
	}
	return index.Key{Repository: string(repository), Digest: packed.ExpandDigest(compact)}, nil
}
