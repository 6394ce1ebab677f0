package bolt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
)

// tableRemovals has the open removals, and tableReplaces what open pushes replace.
// Each is made with its first key: files of earlier versions have none, and such
// versions pass them over.
const (
	tableRemovals table = "removals"
	tableReplaces table = "replaces"
)

// The parts of the bucket of removals, by the first byte of their keys.
const (
	removalByID       = 'i' // identifier → intent
	removalByManifest = 'm' // manifest → identifier
	removalsOf        = 'r' // repository, zero byte, identifier → nothing
)

// Remove implements [index.Remover].
func (s *Store) Remove(ctx context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	for _, manifest := range manifests {
		if _, err := repositoryKey(manifest.Repository, manifest.Digest); err != nil {
			return nil, err
		}
	}
	if len(manifests) == 0 {
		return nil, ctx.Err()
	}
	var ids []index.IntentID
	err := s.change(ctx, func(w *writing) (err error) {
		ids, err = w.remove(at, manifests)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("remove %d manifests: %w", len(manifests), err)
	}
	return ids, nil
}

func (w *writing) remove(at time.Time, manifests []index.Key) ([]index.IntentID, error) {
	ids := make([]index.IntentID, len(manifests))
	for i, manifest := range manifests {
		key, err := repositoryKey(manifest.Repository, manifest.Digest)
		if err != nil {
			return nil, err
		}
		number, err := w.intents.NextSequence()
		if err != nil {
			return nil, err
		}
		err = w.decide(key, func(m *ledger.Matter) (err error) {
			ids[i], err = m.Remove(ledger.NewRemoval(index.IntentID(number), manifest, at))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// Removals implements [index.Remover].
func (s *Store) Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	var removals []index.Intent
	start, err := removalPlace(repository)
	if err == nil {
		err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
			removals, err = removalsBehind(tx.Bucket([]byte(tableRemovals)), start, after, limit)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list removals of %s: %w", cmp.Or(repository, "all repositories"), err)
	}
	return removals, nil
}

// Removing implements [index.Remover].
func (s *Store) Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	keys, err := noteKeys(repository, manifests)
	if err != nil {
		return nil, err
	}
	removing := make(map[digest.Digest]index.IntentID)
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableRemovals))
		if bucket == nil {
			return nil
		}
		for i, key := range keys {
			value := bucket.Get(slices.Concat([]byte{removalByManifest}, key))
			if value == nil {
				continue
			}
			if removing[manifests[i]], err = readID(value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up removals of %s: %w", repository, err)
	}
	return removing, nil
}

// removalPlace returns what stands before the identifiers of the removals of a
// repository, or of all where it is empty.
func removalPlace(repository string) ([]byte, error) {
	if repository == "" {
		return []byte{removalByID}, nil
	}
	prefix, err := repositoryKey(repository)
	return slices.Concat([]byte{removalsOf}, prefix), err
}

func removalsBehind(bucket *bbolt.Bucket, place []byte, after index.IntentID, limit int) (removals []index.Intent, err error) {
	if bucket == nil {
		return nil, nil
	}
	cursor := bucket.Cursor()
	key, _ := seekBehind(cursor, slices.Concat(place, number(uint64(after))))
	for ; bytes.HasPrefix(key, place) && (limit <= 0 || len(removals) < limit); key, _ = cursor.Next() {
		id, err := readID(key[len(place):])
		if err != nil {
			return nil, err
		}
		removal, open, err := removal(bucket, id)
		if err == nil && !open {
			err = fmt.Errorf("%w: removal %d has no value", index.ErrDamaged, id)
		}
		if err != nil {
			return nil, err
		}
		removals = append(removals, removal)
	}
	return removals, nil
}

func readID(key []byte) (index.IntentID, error) {
	if len(key) != intentIDSize {
		return 0, fmt.Errorf("%w: key of an intent", index.ErrDamaged)
	}
	return index.IntentID(binary.BigEndian.Uint64(key)), nil
}

// removalKey is the key of the value of a removal.
func removalKey(id index.IntentID) []byte {
	return append([]byte{removalByID}, number(uint64(id))...)
}

// removal returns an open removal; the bucket is nil where there never was one.
func removal(bucket *bbolt.Bucket, id index.IntentID) (intent index.Intent, open bool, err error) {
	if bucket == nil {
		return index.Intent{}, false, nil
	}
	value := bucket.Get(removalKey(id))
	if value == nil {
		return index.Intent{}, false, nil
	}
	intent, err = decodeIntent(id, value)
	return intent, true, err
}

// appendRemoval appends to ids that of the open removal of a manifest.
func (w *writing) appendRemoval(ids []index.IntentID, manifest []byte) ([]index.IntentID, error) {
	bucket := w.tx.Bucket([]byte(tableRemovals))
	if bucket == nil {
		return ids, nil
	}
	value := bucket.Get(slices.Concat([]byte{removalByManifest}, manifest))
	if value == nil {
		return ids, nil
	}
	id, err := readID(value)
	return append(ids, id), err
}

// removalKeys returns the keys of a removal.
func removalKeys(intent index.Intent) (byID, byManifest, ofAll []byte, err error) {
	manifest, err := intentKey(intent)
	if err != nil {
		return nil, nil, nil, err
	}
	repository := manifest[:len(intent.Record.Repository)+1]
	return removalKey(intent.ID), slices.Concat([]byte{removalByManifest}, manifest),
		slices.Concat([]byte{removalsOf}, repository, number(uint64(intent.ID))), nil
}

func (w *writing) putRemoval(intent index.Intent) error {
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableRemovals))
	if err != nil {
		return err
	}
	value, err := encodeIntent(intent)
	if err != nil {
		return err
	}
	byID, byManifest, ofAll, err := removalKeys(intent)
	if err != nil {
		return err
	}
	if err := w.put(bucket, byID, value); err != nil {
		return err
	}
	if err := w.put(bucket, byManifest, number(uint64(intent.ID))); err != nil {
		return err
	}
	return w.put(bucket, ofAll, []byte{})
}

func (w *writing) endRemoval(intent index.Intent) error {
	bucket, err := openTable(w.tx, tableRemovals)
	if err != nil {
		return err
	}
	byID, byManifest, ofAll, err := removalKeys(intent)
	if err != nil {
		return err
	}
	keys := [][]byte{byID, ofAll}
	if bytes.Equal(bucket.Get(byManifest), byID[1:]) {
		// Else another removal of the manifest has taken its place.
		keys = append(keys, byManifest)
	}
	for _, key := range keys {
		if err := w.delete(bucket, key); err != nil {
			return err
		}
	}
	return nil
}

// countRemovals counts the open removals.
func countRemovals(ctx context.Context, tx *bbolt.Tx) (n int64, err error) {
	bucket := tx.Bucket([]byte(tableRemovals))
	if bucket == nil {
		return 0, nil
	}
	cursor := bucket.Cursor()
	for key, _ := cursor.Seek([]byte{removalByID}); len(key) > 0 && key[0] == removalByID; key, _ = cursor.Next() {
		if n++; n%countStep == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return n, nil
}

// putReplaces keeps what a push replaces, beside its value, so that a version that
// knows of no such thing reads that.
func (w *writing) putReplaces(intent index.Intent) error {
	if len(intent.Replaces) == 0 {
		return w.dropReplaces(intent.ID)
	}
	bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableReplaces))
	if err != nil {
		return err
	}
	var value []byte
	for _, d := range intent.Replaces {
		if value, err = packed.AppendDigest(value, d); err != nil {
			return err
		}
	}
	return w.put(bucket, number(uint64(intent.ID)), value)
}

func (w *writing) dropReplaces(id index.IntentID) error {
	bucket, key := w.tx.Bucket([]byte(tableReplaces)), number(uint64(id))
	if bucket == nil || bucket.Get(key) == nil {
		return nil
	}
	return w.delete(bucket, key)
}

// readIntent reads the value of an intent that is no removal, and what it replaces.
func readIntent(tx *bbolt.Tx, id index.IntentID, value []byte) (index.Intent, error) {
	intent, err := decodeIntent(id, value)
	if err != nil || intent.Kind != index.IntentPush {
		return intent, err
	}
	bucket := tx.Bucket([]byte(tableReplaces))
	if bucket == nil {
		return intent, nil
	}
	intent.Replaces, err = readReplaces(bucket.Get(number(uint64(id))))
	return intent, err
}

func readReplaces(value []byte) (replaces []digest.Digest, err error) {
	for len(value) > 0 {
		var compact []byte
		if compact, value, err = packed.CutDigest(value); err != nil {
			return nil, err
		}
		replaces = append(replaces, packed.ExpandDigest(compact))
	}
	return replaces, nil
}
