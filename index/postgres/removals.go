package postgres

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
)

const (
	// kindRemoval is the kind of the rows of removals, which have no column for it.
	kindRemoval = `4::smallint`

	// selectRemovals has the columns of intents; $1 is empty for all repositories.
	selectRemovals = `SELECT id, ` + kindRemoval + `, repository, about, intent, NULL::bytea[] FROM removals
		WHERE ($1 = '' OR repository = $1) AND id > $2 ORDER BY id LIMIT $3`
	putRemovals = `INSERT INTO removals (id, repository, about, intent)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[])
		ON CONFLICT (id) DO UPDATE SET intent = excluded.intent`
)

// Remove implements [index.Remover].
func (s *Store) Remove(ctx context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	keys := make([]matterKey, len(manifests))
	for i, manifest := range manifests {
		var err error
		if keys[i], err = manifestKey(manifest.Repository, manifest.Digest); err != nil {
			return nil, err
		}
	}
	if len(manifests) == 0 {
		return nil, ctx.Err()
	}
	var ids []index.IntentID
	err := s.change(&change{ctx: ctx, about: keys, begins: len(keys), apply: func(w *writing) (err error) {
		ids, err = w.remove(at, manifests)
		return err
	}})
	if err != nil {
		return nil, fmt.Errorf("remove %d manifests: %w", len(manifests), err)
	}
	return ids, nil
}

// remove removes manifests, each of which was asked for and has an identifier.
func (w *writing) remove(at time.Time, manifests []index.Key) ([]index.IntentID, error) {
	ids := make([]index.IntentID, len(manifests))
	for i, manifest := range manifests {
		key, err := manifestKey(manifest.Repository, manifest.Digest)
		if err != nil {
			return nil, err
		}
		ids[i], err = w.matter(key).Remove(ledger.NewRemoval(w.takeID(), manifest, at))
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// takeID returns an identifier that no intent has.
func (w *writing) takeID() (id index.IntentID) {
	id, w.ids = w.ids[0], w.ids[1:]
	return id
}

// takeReplaced removes what pushes replace that a rule has recorded.
func (w *writing) takeReplaced(m *ledger.Matter) error {
	replaced := m.TakeReplaced()
	_, err := w.remove(replaced.At, replaced.Manifests)
	return err
}

// Removals implements [index.Remover].
func (s *Store) Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	var removals []index.Intent
	var err error
	if repository != "" {
		err = checkName("repository", repository)
	}
	if err == nil {
		err = s.read(ctx, func(ctx context.Context) error {
			rows, err := s.pool.Query(ctx, selectRemovals, repository, after, most(limit))
			if err != nil {
				return err
			}
			removals, err = collectIntents(rows)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list removals of %s: %w", cmp.Or(repository, "all repositories"), err)
	}
	return removals, nil
}

// Removing implements [index.Remover].
func (s *Store) Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	digests, err := compactDigests(repository, manifests)
	if err != nil {
		return nil, err
	}
	var removing map[digest.Digest]index.IntentID
	err = s.read(ctx, func(ctx context.Context) error {
		removing = make(map[digest.Digest]index.IntentID)
		rows, err := s.pool.Query(ctx, `SELECT about, id FROM removals WHERE repository = $1 AND about = ANY($2::bytea[])`, repository, digests)
		if err != nil {
			return err
		}
		var about []byte
		var id index.IntentID
		_, err = pgx.ForEachRow(rows, []any{&about, &id}, func() error {
			manifest, err := expandDigest(about)
			removing[manifest] = id
			return err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up removals of %s: %w", repository, err)
	}
	return removing, nil
}

// removals are columns of rows of removals.
type removals struct {
	ended, ids    []int64
	names         []string
	about, values [][]byte
}

// add adds what became of a removal.
func (r *removals) add(key matterKey, removal *ledger.Intent) error {
	number := int64(removal.ID) //nolint:gosec // The database gave it.
	switch {
	case removal.Dropped():
		r.ended = append(r.ended, number)
	case removal.Written():
		value, err := encodeIntent(removal.Intent)
		if err != nil {
			return err
		}
		r.ids, r.names = append(r.ids, number), append(r.names, key.repository)
		r.about, r.values = append(r.about, []byte(key.about)), append(r.values, value)
	}
	return nil
}

// save deletes rows first: another removal of the same manifest may take the place
// of one.
func (r *removals) save(batch *pgx.Batch) {
	if len(r.ended) > 0 {
		batch.Queue(`DELETE FROM removals WHERE id = ANY($1::bigint[])`, r.ended)
	}
	if len(r.ids) > 0 {
		batch.Queue(putRemovals, r.ids, r.names, r.about, r.values)
	}
}

// replacedText returns what an intent replaces as the text of an array, nil where
// that is nothing: no parameter holds arrays of several lengths for several rows.
func replacedText(intent index.Intent) (*string, error) {
	if len(intent.Replaces) == 0 {
		return nil, nil
	}
	elements := make([]string, len(intent.Replaces))
	for i, d := range intent.Replaces {
		compact, err := compactDigest(d)
		if err != nil {
			return nil, err
		}
		elements[i] = `"\\x` + hex.EncodeToString(compact) + `"`
	}
	text := "{" + strings.Join(elements, ",") + "}"
	return &text, nil
}

// expandReplaced reads that as it is kept.
func expandReplaced(compact [][]byte) ([]digest.Digest, error) {
	var replaced []digest.Digest
	for _, one := range compact {
		d, err := expandDigest(one)
		if err != nil {
			return nil, err
		}
		replaced = append(replaced, d)
	}
	return replaced, nil
}
