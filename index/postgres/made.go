package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index/packed"
)

const (
	// insertMade leaves out what no generation has a record of.
	insertMade = `INSERT INTO made AS u (repository, digest, at)
		SELECT $1, n.digest, n.at FROM unnest($2::bytea[], $3::bytea[]) AS n(digest, at)
		WHERE EXISTS (SELECT 1 FROM manifests m WHERE m.digest = n.digest AND m.repository IN
			(SELECT r.id FROM repositories r, meta WHERE r.generation IN (meta.live, meta.building) AND r.name = $1))
		ON CONFLICT (repository, digest) DO UPDATE SET at = excluded.at WHERE u.at <> excluded.at`
	deleteMade = `DELETE FROM made u USING unnest($1::text[], $2::bytea[]) AS k(repository, digest)
		WHERE u.repository = k.repository AND u.digest = k.digest`
	selectMade = `SELECT digest, at FROM made WHERE repository = $1 AND digest = ANY($2::bytea[])`
)

// SetMade implements [index.Store]. It takes the lock of the writers, so that a
// record is not removed meanwhile without its note.
func (s *Store) SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error {
	manifests := slices.Sorted(maps.Keys(made))
	digests, err := compactDigests(repository, manifests)
	if err != nil {
		return err
	}
	times := make([][]byte, len(manifests))
	for i, manifest := range manifests {
		var e encoder
		e.Time(made[manifest])
		times[i] = e.B
	}
	if len(digests) > 0 {
		err = s.alone(ctx, func(ctx context.Context, tx pgx.Tx, _ state) error {
			_, err := tx.Exec(ctx, insertMade, repository, digests, times)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("note when images of %s were made: %w", repository, err)
	}
	return nil
}

// Made implements [index.Store].
func (s *Store) Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	digests, err := compactDigests(repository, manifests)
	if err != nil {
		return nil, err
	}
	var made map[digest.Digest]time.Time
	err = s.read(ctx, func(ctx context.Context) error {
		made = make(map[digest.Digest]time.Time)
		rows, err := s.pool.Query(ctx, selectMade, repository, digests)
		if err != nil {
			return err
		}
		var compact, at []byte
		_, err = pgx.ForEachRow(rows, []any{&compact, &at}, func() error {
			manifest, err := expandDigest(compact)
			if err != nil {
				return err
			}
			d := decoder{packed.Decoder{B: at}}
			made[manifest] = d.Time()
			return d.End("note when an image was made")
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up when images of %s were made: %w", repository, err)
	}
	return made, nil
}

// compactDigests returns the compact forms of manifests of a repository.
func compactDigests(repository string, manifests []digest.Digest) ([][]byte, error) {
	if err := checkName("repository", repository); err != nil {
		return nil, err
	}
	digests := make([][]byte, len(manifests))
	for i, manifest := range manifests {
		var err error
		if digests[i], err = compactDigest(manifest); err != nil {
			return nil, err
		}
	}
	return digests, nil
}
