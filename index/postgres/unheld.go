package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

const (
	insertUnheld = `INSERT INTO unheld (repository, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING`
	deleteUnheld = `DELETE FROM unheld u USING unnest($1::text[], $2::bytea[]) AS k(repository, digest)
		WHERE u.repository = k.repository AND u.digest = k.digest`
)

// SetUnheld implements [index.Store]. It takes the lock of the writers, so that
// a record is not removed meanwhile without its note.
func (s *Store) SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error {
	key, err := manifestKey(repository, manifest)
	if err != nil {
		return err
	}
	err = s.alone(ctx, func(ctx context.Context, tx pgx.Tx, _ state) error {
		var err error
		if unheld {
			_, err = tx.Exec(ctx, insertUnheld, key.repository, []byte(key.about))
		} else {
			_, err = tx.Exec(ctx, deleteUnheld, []string{key.repository}, [][]byte{[]byte(key.about)})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("note whether %s of %s is held: %w", manifest, repository, err)
	}
	return nil
}

// dropNotes takes back the notes of records that are removed.
func (w *writing) dropNotes(batch *pgx.Batch) {
	var names []string
	var digests [][]byte
	for _, m := range w.matters {
		if key := m.stored.key; m.Removed() {
			names, digests = append(names, key.repository), append(digests, []byte(key.about))
		}
	}
	if len(names) > 0 {
		batch.Queue(deleteUnheld, names, digests)
		batch.Queue(deleteMade, names, digests)
	}
}
