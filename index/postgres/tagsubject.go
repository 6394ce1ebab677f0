package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

var _ index.TagSubjects = (*Store)(nil)

// findSubject finds a subject between two keys.
const findSubject = `(SELECT subject FROM manifests WHERE subject IS NOT NULL AND subject >= $2 AND subject <= $3
		AND repository = (SELECT id FROM repositories WHERE generation = (SELECT live FROM meta) AND name = $1)
		ORDER BY subject LIMIT 1)
	UNION ALL (SELECT subject FROM intents WHERE subject IS NOT NULL AND repository = $1 AND subject >= $2 AND subject <= $3
		ORDER BY subject LIMIT 1) LIMIT 1`

// TagSubject implements [index.TagSubjects].
func (s *Store) TagSubject(ctx context.Context, repository, tag string) (digest.Digest, error) {
	var subject digest.Digest
	err := checkName("repository", repository)
	if err == nil {
		var begins []byte
		if begins, err = packed.TagPrefix(tag); err == nil {
			// No digest goes on behind the last of those that begin so.
			last := append(bytes.Clone(begins), bytes.Repeat([]byte{0xff}, packed.SizeSHA512)...)
			err = s.read(ctx, func(ctx context.Context) error {
				var compact []byte
				err := s.pool.QueryRow(ctx, findSubject, repository, begins, last).Scan(&compact)
				if errors.Is(err, pgx.ErrNoRows) {
					return index.ErrNotFound
				}
				if err == nil {
					subject, err = expandDigest(compact)
				}
				return err
			})
		}
	}
	if err != nil {
		return "", fmt.Errorf("find the subject of %s in %s: %w", tag, repository, err)
	}
	return subject, nil
}
