package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// passStep bounds the records that a step of a pass looks at, and with them how
// long other writers wait for it.
const passStep = 5000

// pass is a walk through the records of a generation that enters the listings
// which another generation has not got as they are there. It is kept in the
// database, so that it goes on where a crash interrupts it.
type pass struct {
	id int32
	// against is 0 where all listings are entered.
	generation, against int32
	// repository and digest are the key of the last record that was looked at.
	repository string
	digest     []byte
}

func addPass(ctx context.Context, tx pgx.Tx, generation, against int32) error {
	_, err := tx.Exec(ctx, `INSERT INTO passes (generation, against, repository, digest) VALUES ($1, $2, '', '')`, generation, against)
	return err
}

// enterAll makes all passes, in transactions between which others get in. Where
// there is none, no writer is kept out, and no standby waited for.
func (s *Store) enterAll(ctx context.Context) error {
	for {
		var more bool
		err := s.read(ctx, func(ctx context.Context) error {
			return s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM passes)`).Scan(&more)
		})
		if err == nil && more {
			err = s.alone(ctx, func(ctx context.Context, tx pgx.Tx, _ state) error { return stepPass(ctx, tx) })
		}
		if err != nil {
			return fmt.Errorf("enter listings: %w", err)
		}
		if !more {
			return nil
		}
	}
}

// stepPass makes a step of the first pass, if there is one.
func stepPass(ctx context.Context, tx pgx.Tx) error {
	var p pass
	err := tx.QueryRow(ctx, `SELECT id, generation, against, repository, digest FROM passes ORDER BY id LIMIT 1`).
		Scan(&p.id, &p.generation, &p.against, &p.repository, &p.digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	// The step is as long as the records behind the last one go, whatever
	// becomes of them.
	var name *string
	var digest []byte
	looked := 0
	err = tx.QueryRow(ctx, stepEnd, p.generation, p.repository, p.digest, passStep).Scan(&looked, &name, &digest)
	if err != nil {
		return err
	}
	if looked > 0 {
		if _, err := tx.Exec(ctx, enterStep, p.generation, p.repository, p.digest, passStep, p.against); err != nil {
			return err
		}
	}
	if looked < passStep {
		_, err = tx.Exec(ctx, `DELETE FROM passes WHERE id = $1`, p.id)
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE passes SET repository = $2, digest = $3 WHERE id = $1`, p.id, *name, digest)
	return err
}

// stepRecords are the records of a step: those of generation $1 behind the key
// $2, $3, at most $4.
const stepRecords = `WITH step AS (
	SELECT r.name, m.digest, m.subject, m.artifact_type, m.shown FROM repositories r
	CROSS JOIN LATERAL (SELECT * FROM manifests m
		WHERE m.repository = r.id AND m.digest > CASE WHEN r.name = $2 THEN $3::bytea ELSE ''::bytea END
		ORDER BY m.digest LIMIT $4) AS m
	WHERE r.generation = $1 AND r.name >= $2
	ORDER BY r.name, m.digest LIMIT $4) `

const stepEnd = stepRecords + `SELECT (SELECT count(*) FROM step), last.name, last.digest
	FROM (SELECT 1) AS one LEFT JOIN (SELECT name, digest FROM step ORDER BY name DESC, digest DESC LIMIT 1) AS last ON true`

// enterStep enters the listings of the step that generation $5 shows otherwise.
const enterStep = stepRecords + `INSERT INTO outbox (number, repository, subject)
	SELECT nextval('outbox_numbers'), changed.name, changed.subject FROM (
		SELECT DISTINCT s.name, s.subject FROM step s WHERE s.subject IS NOT NULL AND (
			SELECT true FROM manifests m WHERE m.digest = s.digest
				AND m.repository = (SELECT r.id FROM repositories r WHERE r.generation = $5 AND r.name = s.name)
				AND m.subject = s.subject AND m.artifact_type = s.artifact_type AND m.shown = s.shown) IS NULL) AS changed
	ON CONFLICT (repository, subject) DO UPDATE SET number = excluded.number`
