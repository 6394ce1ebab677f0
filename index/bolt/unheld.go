package bolt

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// SetUnheld implements [index.Store]. It costs no write where nothing changes.
func (s *Store) SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error {
	key, err := repositoryKey(repository, manifest)
	if err != nil {
		return err
	}
	same := false
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableUnheld))
		same = unheld == (bucket != nil && bucket.Get(key) != nil)
		return nil
	})
	if err == nil && !same {
		err = s.change(ctx, func(w *writing) error {
			if !unheld {
				return w.forgetNote(tableUnheld, key)
			}
			bucket, err := w.tx.CreateBucketIfNotExists([]byte(tableUnheld))
			if err != nil {
				return err
			}
			return w.put(bucket, key, []byte{})
		})
	}
	if err != nil {
		return fmt.Errorf("note whether %s of %s is held: %w", manifest, repository, err)
	}
	return nil
}

// forgetNote takes the note of a manifest back, where there is one.
func (w *writing) forgetNote(notes table, key []byte) error {
	bucket := w.tx.Bucket([]byte(notes))
	if bucket == nil || bucket.Get(key) == nil {
		return nil
	}
	return w.delete(bucket, key)
}

// countUnheld counts the notes of manifests that a generation has.
func countUnheld(ctx context.Context, tx *bbolt.Tx, g *generation) (n int64, err error) {
	bucket := tx.Bucket([]byte(tableUnheld))
	if bucket == nil {
		return 0, nil
	}
	looked := 0
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		if looked++; looked%countStep == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if g.get(key) != nil {
			n++
		}
	}
	return n, nil
}
