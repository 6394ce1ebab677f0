package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// countStep is how many keys are counted between looks at the context.
const countStep = 10_000

// Stats implements [index.Maintainer]. It walks through all keys.
func (s *Store) Stats(ctx context.Context) (index.Stats, error) {
	var stats index.Stats
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		live, next, err := openGenerations(tx)
		if err != nil {
			return err
		}
		intents, err := openTable(tx, tableIntents)
		if err != nil {
			return err
		}
		stats = index.Stats{Bytes: tx.Size(), Rebuilding: -1}
		if next != nil {
			if stats.Rebuilding, err = countKeys(ctx, next.manifests); err != nil {
				return err
			}
		}
		for _, c := range []struct {
			bucket *bbolt.Bucket
			count  *int64
		}{
			{live.manifests, &stats.Records},
			{live.referrers, &stats.Referrers},
			{live.parents, &stats.Edges},
			{intents, &stats.Intents},
		} {
			if *c.count, err = countKeys(ctx, c.bucket); err != nil {
				return err
			}
		}
		stats.Repositories, err = countRepositories(ctx, live.manifests)
		return err
	})
	if err != nil {
		return index.Stats{}, fmt.Errorf("count index: %w", err)
	}
	return stats, nil
}

func countKeys(ctx context.Context, bucket *bbolt.Bucket) (n int64, err error) {
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		if n++; n%countStep == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return n, nil
}

// countRepositories takes one seek for each.
func countRepositories(ctx context.Context, manifests *bbolt.Bucket) (n int64, err error) {
	cursor := manifests.Cursor()
	for key, _ := cursor.First(); key != nil; {
		if n++; n%countStep == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		end := bytes.IndexByte(key, 0)
		if end < 0 {
			return 0, fmt.Errorf("%w: key of a record", index.ErrDamaged)
		}
		// The zero byte ends the name; no key of it is behind the next byte.
		key, _ = cursor.Seek(append(bytes.Clone(key[:end]), 1))
	}
	return n, nil
}
