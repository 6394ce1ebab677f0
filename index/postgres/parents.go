package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// The parents of a target by any field but subject, and those by subject, which
// the records themselves are found by. Both come in the order of the digests.
const (
	selectParents = `SELECT digest, kind FROM parents
		WHERE repository = ` + liveRepository + ` AND target = $2 AND (digest, kind) > ($3, $4) ORDER BY digest, kind LIMIT $5`
	selectReferring = `SELECT digest FROM manifests
		WHERE repository = ` + liveRepository + ` AND subject = $2 AND digest >= $3 AND (digest > $3 OR $4 < 1) ORDER BY digest LIMIT $5`
)

// parent is an [index.Parent] with its compact digest.
type parent struct {
	digest []byte
	kind   index.EdgeKind
}

// Parents implements [index.Store].
func (s *Store) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	key, err := manifestKey(repository, target)
	if err != nil {
		return nil, err
	}
	behind := []byte{}
	if after.Digest != "" {
		if behind, err = compactDigest(after.Digest); err != nil {
			return nil, err
		}
	}
	var found []parent
	err = s.read(ctx, func(ctx context.Context) error {
		found = nil
		var batch pgx.Batch
		args := []any{repository, []byte(key.about), behind, int16(after.Kind), most(limit)}
		var p parent
		collect := func(columns ...any) func(rows pgx.Rows) error {
			return func(rows pgx.Rows) error {
				p.kind = index.EdgeSubject
				_, err := pgx.ForEachRow(rows, columns, func() error {
					found = append(found, p)
					return nil
				})
				return err
			}
		}
		batch.Queue(selectReferring, args...).Query(collect(&p.digest))
		batch.Queue(selectParents, args...).Query(collect(&p.digest, &p.kind))
		return s.pool.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("list parents of %s in %s: %w", target, repository, err)
	}
	return firstParents(found, limit)
}

// firstParents returns the first of parents in their order.
func firstParents(found []parent, limit int) ([]index.Parent, error) {
	slices.SortFunc(found, func(a, b parent) int { return cmp.Or(bytes.Compare(a.digest, b.digest), cmp.Compare(a.kind, b.kind)) })
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	var parents []index.Parent
	for _, p := range found {
		name, err := expandDigest(p.digest)
		if err != nil {
			return nil, err
		}
		parents = append(parents, index.Parent{Digest: name, Kind: p.kind})
	}
	return parents, nil
}
