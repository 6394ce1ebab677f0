package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// SetOutbox implements [index.Outbox].
func (s *Store) SetOutbox(ctx context.Context, on bool) error {
	err := s.alone(ctx, func(ctx context.Context, tx pgx.Tx, now state) error {
		if now.mirrored == on {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE meta SET mirrored = $1`, on); err != nil {
			return err
		}
		if on {
			return addPass(ctx, tx, now.live, 0)
		}
		for _, table := range []string{"outbox", "passes"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && on {
		err = s.enterAll(ctx)
	}
	s.wakeUpkeep()
	if err != nil {
		return fmt.Errorf("set outbox: %w", err)
	}
	return nil
}

// Changed implements [index.Outbox].
func (s *Store) Changed(ctx context.Context, after uint64, limit int) ([]index.Change, error) {
	var changes []index.Change
	err := s.read(ctx, func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, `SELECT number, repository, subject FROM outbox WHERE number > $1 ORDER BY number LIMIT $2`, after, most(limit))
		if err != nil {
			return err
		}
		var change index.Change
		var subject []byte
		_, err = pgx.ForEachRow(rows, []any{&change.Number, &change.Repository, &subject}, func() (err error) {
			if change.Subject, err = expandDigest(subject); err == nil {
				changes = append(changes, change)
			}
			return err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	return changes, nil
}

// Written implements [index.Outbox]. An entry whose listing has changed since
// has another number.
func (s *Store) Written(ctx context.Context, change index.Change) error {
	key, err := manifestKey(change.Repository, change.Subject)
	if err != nil {
		return err
	}
	err = s.read(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, `DELETE FROM outbox WHERE number = $1 AND repository = $2 AND subject = $3`,
			change.Number, key.repository, []byte(key.about))
		return err
	})
	if err != nil {
		return fmt.Errorf("take %s in %s out of the outbox: %w", change.Subject, change.Repository, err)
	}
	return nil
}
