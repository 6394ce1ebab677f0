package bolt

import (
	"context"
	"fmt"
	"math"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// countStep is how many keys are counted between looks at the context.
const countStep = 10_000

// Stats implements [index.Maintainer]. It walks through all keys.
func (s *Store) Stats(ctx context.Context) (index.Stats, error) {
	var stats index.Stats
	err := s.view(ctx, func(tx *bbolt.Tx) (err error) {
		stats, err = statsOf(ctx, tx)
		return err
	})
	if err != nil {
		return index.Stats{}, fmt.Errorf("count index: %w", err)
	}
	return stats, nil
}

// Size implements [index.Sizer].
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("size of index: %w", err)
	}
	return size, nil
}

func statsOf(ctx context.Context, tx *bbolt.Tx) (stats index.Stats, err error) {
	live, next, err := openGenerations(tx)
	if err != nil {
		return stats, err
	}
	intents, err := openTable(tx, tableIntents)
	if err != nil {
		return stats, err
	}
	stats = index.Stats{Bytes: tx.Size(), Rebuilding: -1}
	if next != nil {
		counts, err := countSections(ctx, next)
		if err != nil {
			return stats, err
		}
		stats.Rebuilding = counts[sectionManifests]
	}
	counts, err := countSections(ctx, live)
	if err != nil {
		return stats, err
	}
	stats.Repositories = counts[sectionNames]
	stats.Records, stats.Referrers = counts[sectionManifests], counts[sectionReferrers]
	if stats.Unheld, err = countUnheld(ctx, tx, live); err != nil {
		return stats, err
	}
	stats.Edges = counts[sectionParents] + counts[sectionReferrers]
	if stats.Intents, err = countKeys(ctx, intents); err != nil {
		return stats, err
	}
	stats.Removals, err = countRemovals(ctx, tx)
	return stats, err
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

// countSections counts the entries of each section.
func countSections(ctx context.Context, g *generation) (counts map[section]int64, err error) {
	var n [math.MaxUint8 + 1]int64
	looked := 0
	cursor := g.records.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		if looked++; looked%countStep == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(key) < prefixSize {
			return nil, fmt.Errorf("%w: key of a record", index.ErrDamaged)
		}
		n[key[prefixSize-1]]++
	}
	counts = make(map[section]int64)
	for _, in := range []section{sectionNames, sectionManifests, sectionParents, sectionReferrers} {
		counts[in] = n[in]
	}
	return counts, nil
}
