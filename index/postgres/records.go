package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// liveRepository finds the repository with the name $1 in the generation that
// queries see.
const liveRepository = `(SELECT r.id FROM repositories r WHERE r.generation = (SELECT live FROM meta) AND r.name = $1)`

const selectRow = `SELECT digest, subject, artifact_type, shown, kept FROM manifests
	WHERE repository = ` + liveRepository + ` AND digest = $2`

// Get implements [index.Store].
func (s *Store) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	key, err := manifestKey(repository, manifest)
	if err != nil {
		return index.Record{}, err
	}
	var record index.Record
	err = s.read(ctx, func(ctx context.Context) error {
		var r row
		err := s.pool.QueryRow(ctx, selectRow, repository, []byte(key.about)).Scan(&r.digest, &r.subject, &r.artifactType, &r.shown, &r.kept)
		if errors.Is(err, pgx.ErrNoRows) {
			return index.ErrNotFound
		}
		if err != nil {
			return err
		}
		record, err = r.record(repository)
		return err
	})
	if err != nil {
		return index.Record{}, fmt.Errorf("get %s of %s: %w", manifest, repository, err)
	}
	return record, nil
}

// checkRecords returns the keys of records that can be kept.
func checkRecords(records []index.Record) ([]matterKey, error) {
	keys := make([]matterKey, len(records))
	for i, record := range records {
		var err error
		if keys[i], err = checkRecord(record); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Observe implements [index.Store]. It costs no write when all records are
// known, which is the usual case for what is pulled.
func (s *Store) Observe(ctx context.Context, mark index.Mark, records ...index.Record) error {
	keys, err := checkRecords(records)
	if err != nil {
		return err
	}
	known, err := s.allKnown(ctx, keys)
	if err == nil && !known {
		err = s.decide(&change{ctx: ctx, about: keys, apply: func(w *writing) error {
			return ledger.Observe(mark, records, w.with(keys))
		}})
	}
	if err != nil {
		return fmt.Errorf("observe %d manifests: %w", len(records), err)
	}
	return nil
}

const countKnown = `SELECT count(*) FROM unnest($1::text[], $2::bytea[]) AS k(name, digest)
	CROSS JOIN LATERAL (SELECT 1 FROM manifests m WHERE m.digest = k.digest AND m.repository =
		(SELECT r.id FROM repositories r WHERE r.generation = (SELECT live FROM meta) AND r.name = k.name) OFFSET 0) AS m`

func (s *Store) allKnown(ctx context.Context, keys []matterKey) (known bool, err error) {
	names, digests := make([]string, len(keys)), make([][]byte, len(keys))
	for i, key := range keys {
		names[i], digests[i] = key.repository, []byte(key.about)
	}
	count := 0
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, countKnown, names, digests).Scan(&count)
	})
	return count == len(keys), err
}
