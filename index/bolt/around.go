package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
)

// Around implements [index.Store]. All is of one instant.
func (s *Store) Around(ctx context.Context, repository string, manifests []digest.Digest, most int) (map[digest.Digest]index.Around, error) {
	keys := make([][]byte, len(manifests))
	for i, manifest := range manifests {
		var err error
		if keys[i], err = repositoryKey(repository, manifest); err != nil {
			return nil, err
		}
	}
	if err := checkName("repository", repository); err != nil {
		return nil, err
	}
	all := make(map[digest.Digest]index.Around, len(manifests))
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		clear(all)
		live, err := openLive(tx)
		if err != nil {
			return err
		}
		number, found, err := live.find([]byte(repository))
		if err != nil || !found {
			return err
		}
		r := surroundings{shelf: newShelf(live, []byte(repository), number), records: live.records, most: max(most, 1)}
		r.cursor = live.records.Cursor()
		for i, key := range keys {
			if i%countStep == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			around, err := r.of(key[len(repository)+1:])
			if err != nil {
				return err
			}
			if around.Record != nil || len(around.Referrers) > 0 {
				all[manifests[i]] = around
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is around %d manifests of %s: %w", len(manifests), repository, err)
	}
	return all, nil
}

// surroundings reads what is around manifests of one repository.
type surroundings struct {
	shelf   *shelf
	records *bbolt.Bucket
	cursor  *bbolt.Cursor
	most    int
}

// of reads what is around a manifest, by its compact digest.
func (r *surroundings) of(manifest []byte) (around index.Around, err error) {
	own, found, err := r.record(manifest)
	if err != nil {
		return around, err
	}
	if found {
		around.Record = &own
	}
	prefix := sectionKey(r.shelf.number, sectionReferrers, manifest)
	for key, _ := r.cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, _ = r.cursor.Next() {
		if len(around.Referrers) == r.most {
			around.More = true
			break
		}
		referrer, found, err := r.record(key[len(prefix):])
		if err != nil {
			return around, err
		}
		if !found {
			return around, fmt.Errorf("%w: a referrer has no record", index.ErrDamaged)
		}
		around.Referrers = append(around.Referrers, referrer)
	}
	return around, nil
}

func (r *surroundings) record(manifest []byte) (record index.Record, found bool, err error) {
	value := r.records.Get(sectionKey(r.shelf.number, sectionManifests, manifest))
	if value == nil {
		return record, false, nil
	}
	record, err = r.shelf.record(manifest, value)
	return record, true, err
}

// Open implements [index.Store].
func (s *Store) Open(ctx context.Context, repository string) (bool, error) {
	prefix, err := repositoryKey(repository)
	if err != nil {
		return false, err
	}
	open := false
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		table, err := openTable(tx, tableOpen)
		if err != nil {
			return err
		}
		first, _ := table.Cursor().Seek(prefix)
		open = bytes.HasPrefix(first, prefix)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("ask for open intents of %s: %w", repository, err)
	}
	return open, nil
}
