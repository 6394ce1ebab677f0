package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// selectAround finds the records of manifests, and those of the first of their
// referrers, each part by an index of its own. Place is that of the manifest among
// those that are asked for. A record of the manifest itself is told by its kind.
const selectAround = `WITH k AS MATERIALIZED (SELECT place, digest, ` + liveRepository + ` AS repository
		FROM unnest($2::bytea[]) WITH ORDINALITY AS u(digest, place))
	SELECT k.place, false AS refers, m.digest, m.subject, m.artifact_type, m.shown, m.kept FROM k
		CROSS JOIN LATERAL (SELECT * FROM manifests m WHERE m.repository = k.repository AND m.digest = k.digest OFFSET 0) AS m
	UNION ALL SELECT k.place, true, m.digest, m.subject, m.artifact_type, m.shown, m.kept FROM k
		CROSS JOIN LATERAL (SELECT * FROM manifests m WHERE m.repository = k.repository AND m.subject = k.digest AND m.subject IS NOT NULL
			ORDER BY m.digest LIMIT $3) AS m
	ORDER BY place, refers, digest`

// Around implements [index.Store]. It is one statement, so all is of one instant.
func (s *Store) Around(ctx context.Context, repository string, manifests []digest.Digest, most int) (map[digest.Digest]index.Around, error) {
	digests, err := compactDigests(repository, manifests)
	if err != nil {
		return nil, err
	}
	most = max(most, 1)
	var all map[digest.Digest]index.Around
	err = s.read(ctx, func(ctx context.Context) error {
		all = make(map[digest.Digest]index.Around, len(manifests))
		rows, err := s.pool.Query(ctx, selectAround, repository, digests, most+1)
		if err != nil {
			return err
		}
		var place int64
		var refers bool
		var r row
		seen := map[digest.Digest]int64{}
		_, err = pgx.ForEachRow(rows, []any{&place, &refers, &r.digest, &r.subject, &r.artifactType, &r.shown, &r.kept}, func() error {
			of := manifests[place-1]
			if first, again := seen[of]; again && first != place {
				return nil
			}
			seen[of] = place
			record, err := r.record(repository)
			if err != nil {
				return err
			}
			around := all[of]
			switch {
			case !refers:
				around.Record = &record
			case len(around.Referrers) == most:
				around.More = true
			default:
				around.Referrers = append(around.Referrers, record)
			}
			all[of] = around
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what is around %d manifests of %s: %w", len(manifests), repository, err)
	}
	return all, nil
}

const selectOpen = `SELECT EXISTS (SELECT 1 FROM intents WHERE repository = $1)`

// Open implements [index.Store].
func (s *Store) Open(ctx context.Context, repository string) (open bool, err error) {
	if err := checkName("repository", repository); err != nil {
		return false, err
	}
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, selectOpen, repository).Scan(&open)
	})
	if err != nil {
		return false, fmt.Errorf("ask for open intents of %s: %w", repository, err)
	}
	return open, nil
}
