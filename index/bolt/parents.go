package bolt

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// Parents implements [index.Store].
func (s *Store) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	prefix, err := repositoryKey(repository, target)
	if err != nil {
		return nil, err
	}
	start := prefix
	if after.Digest != "" {
		if start, err = parentKey(repository, target, after); err != nil {
			return nil, err
		}
	}
	var parents []index.Parent
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		live, err := liveTables(tx, tableParents)
		if err != nil {
			return err
		}
		cursor := live[0].Cursor()
		key, _ := cursor.Seek(start)
		if after.Digest != "" && bytes.Equal(key, start) {
			key, _ = cursor.Next()
		}
		for ; bytes.HasPrefix(key, prefix) && (limit <= 0 || len(parents) < limit); key, _ = cursor.Next() {
			compact, kind, err := cutDigest(key[len(prefix):])
			if err != nil {
				return err
			}
			if len(kind) != 1 {
				return fmt.Errorf("%w: key of a parent", index.ErrDamaged)
			}
			parents = append(parents, index.Parent{Digest: expandDigest(compact), Kind: index.EdgeKind(kind[0])})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list parents of %s in %s: %w", target, repository, err)
	}
	return parents, nil
}

func parentKey(repository string, target digest.Digest, parent index.Parent) ([]byte, error) {
	key, err := repositoryKey(repository, target, parent.Digest)
	return append(key, byte(parent.Kind)), err
}

func (w *writing) putParents(g *generation, record index.Record) error {
	for _, edge := range record.Edges {
		key, err := parentKey(record.Repository, edge.Target, index.Parent{Digest: record.Digest, Kind: edge.Kind})
		if err != nil {
			return err
		}
		if err := w.put(g.parents, key, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) removeParents(g *generation, record index.Record) error {
	for _, edge := range record.Edges {
		key, err := parentKey(record.Repository, edge.Target, index.Parent{Digest: record.Digest, Kind: edge.Kind})
		if err != nil {
			return err
		}
		if err := w.delete(g.parents, key); err != nil {
			return err
		}
	}
	return nil
}
