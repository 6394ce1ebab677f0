package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

const selectSubjects = `SELECT k.place, m.subject FROM unnest($2::bytea[]) WITH ORDINALITY AS k(digest, place)
	CROSS JOIN LATERAL (SELECT m.subject FROM manifests m
		WHERE m.repository = ` + liveRepository + ` AND m.digest = k.digest AND m.subject IS NOT NULL OFFSET 0) AS m`

// Subjects implements [index.Store].
func (s *Store) Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	digests, err := compactDigests(repository, manifests)
	if err != nil {
		return nil, err
	}
	var subjects []digest.Digest
	err = s.read(ctx, func(ctx context.Context) error {
		subjects = make([]digest.Digest, len(manifests))
		rows, err := s.pool.Query(ctx, selectSubjects, repository, digests)
		if err != nil {
			return err
		}
		var place int64
		var subject []byte
		_, err = pgx.ForEachRow(rows, []any{&place, &subject}, func() (err error) {
			subjects[place-1], err = expandDigest(subject)
			return err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up subjects in %s: %w", repository, err)
	}
	return subjects, nil
}
