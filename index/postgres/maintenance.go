package postgres

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// most returns the limit of a statement; 0 means none.
func most(limit int) *int {
	if limit <= 0 {
		return nil
	}
	return &limit
}

// Intents implements [index.Maintainer].
func (s *Store) Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	var intents []index.Intent
	err := s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT id, kind, repository, about, intent, replaces FROM intents WHERE id > $1 ORDER BY id LIMIT $2`, after, most(limit))
		if err != nil {
			return err
		}
		intents, err = collectIntents(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list intents: %w", err)
	}
	return intents, nil
}

// recordsBehind walks through the records of the live generation in the order
// of their keys, repository by repository: of each it reads no more than the
// limit. The last column tells whether the generation in the making has it too.
const recordsBehind = `SELECT r.name, m.digest, m.subject, m.artifact_type, m.shown, m.kept, (
		SELECT true FROM manifests twin WHERE twin.digest = m.digest AND twin.repository = (SELECT other.id FROM repositories other
			WHERE other.generation = (SELECT building FROM meta) AND other.name = r.name)) IS NOT NULL AS filled
	FROM repositories r
	CROSS JOIN LATERAL (SELECT * FROM manifests m
		WHERE m.repository = r.id AND m.digest > CASE WHEN r.name = $1 THEN $2::bytea ELSE ''::bytea END
		ORDER BY m.digest LIMIT $3) AS m
	WHERE r.generation = (SELECT live FROM meta) AND r.name >= $1
	ORDER BY r.name, m.digest LIMIT $3`

// keyBehind returns the columns of a key, which need not be there. One without
// a digest stands before all of its repository.
func keyBehind(after index.Key) (repository string, compact []byte, err error) {
	if after == (index.Key{}) {
		return "", []byte{}, nil
	}
	if after.Digest == "" {
		return after.Repository, []byte{}, checkName("repository", after.Repository)
	}
	key, err := manifestKey(after.Repository, after.Digest)
	return key.repository, []byte(key.about), err
}

// recordsStep bounds the records that one statement reads.
const recordsStep = 1000

// walkRecords calls look with the records behind a key, and whether the
// generation in the making has them, until it has enough or there are none.
func walkRecords(ctx context.Context, q queryer, after index.Key, step int, look func(record index.Record, filled bool) (enough bool)) error {
	name, compact, err := keyBehind(after)
	if err != nil {
		return err
	}
	for {
		rows, err := q.Query(ctx, recordsBehind, name, compact, step)
		if err != nil {
			return err
		}
		var r row
		var filled, enough bool
		read := 0
		_, err = pgx.ForEachRow(rows, []any{&name, &r.digest, &r.subject, &r.artifactType, &r.shown, &r.kept, &filled}, func() error {
			read++
			if enough {
				return nil
			}
			record, err := r.record(name)
			if err != nil {
				return err
			}
			compact = bytes.Clone(r.digest)
			enough = look(record, filled)
			return nil
		})
		if err != nil || enough || read < step {
			return err
		}
	}
}

// Records implements [index.Maintainer].
func (s *Store) Records(ctx context.Context, after index.Key, limit int) ([]index.Record, error) {
	if _, _, err := keyBehind(after); err != nil {
		return nil, err
	}
	step := recordsStep
	if limit > 0 {
		step = min(limit, recordsStep)
	}
	var records []index.Record
	err := s.read(ctx, func(ctx context.Context) error {
		return walkRecords(ctx, s.pool, after, step, func(record index.Record, _ bool) bool {
			records = append(records, record)
			return len(records) == limit
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return records, nil
}

// Forget implements [index.Maintainer].
func (s *Store) Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error {
	key, err := manifestKey(repository, manifest)
	if err != nil {
		return err
	}
	err = s.decide(&change{ctx: ctx, about: []matterKey{key}, apply: func(w *writing) error { return w.matters[key].Forget(mark) }})
	if err != nil {
		return fmt.Errorf("forget %s of %s: %w", manifest, repository, err)
	}
	return nil
}
