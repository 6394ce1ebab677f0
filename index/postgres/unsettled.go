package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// selectUnsettled finds the imports of a subject's tag, the pushes with the
// subject, and the deletes of what has it, or will have it once a push is
// settled. Each part is found by an index of its own.
const selectUnsettled = `SELECT id, kind, repository, about, intent, replaces FROM intents WHERE repository = $1 AND about = $3
	UNION ALL SELECT id, kind, repository, about, intent, replaces FROM intents WHERE repository = $1 AND subject = $2
	UNION ALL SELECT id, kind, repository, about, intent, replaces FROM intents d WHERE repository = $1 AND kind = 2 AND (
		(SELECT m.subject FROM manifests m WHERE m.repository = ` + liveRepository + ` AND m.digest = d.about) = $2
		OR (SELECT max(p.id) FROM intents p WHERE p.repository = $1 AND p.about = d.about AND p.subject = $2) IS NOT NULL)
	ORDER BY id`

// Unsettled implements [index.Store].
func (s *Store) Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	key, err := manifestKey(repository, subject)
	if err != nil {
		return nil, err
	}
	var intents []index.Intent
	err = s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, selectUnsettled, repository, []byte(key.about), []byte(aboutTag(oci.ReferrersTag(subject))))
		if err != nil {
			return err
		}
		intents, err = collectIntents(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list unsettled intents of %s in %s: %w", subject, repository, err)
	}
	return intents, nil
}

func collectIntents(rows pgx.Rows) ([]index.Intent, error) {
	var intents []index.Intent
	var id index.IntentID
	var kind index.IntentKind
	var repository string
	var about, value []byte
	var replaces [][]byte
	_, err := pgx.ForEachRow(rows, []any{&id, &kind, &repository, &about, &value, &replaces}, func() error {
		intent, err := decodeIntent(id, kind, matterKey{repository, string(about)}, value, replaces)
		intents = append(intents, intent)
		return err
	})
	return intents, err
}
