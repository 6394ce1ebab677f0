package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// scanStep bounds the records that one call of Unfilled looks at.
const scanStep = 10_000

// BeginRebuild implements [index.Rebuilder]. What it goes on with may be what
// another process began: who rebuilds has to hold [index.RoleMaintenance].
func (s *Store) BeginRebuild(ctx context.Context) ([]byte, error) {
	var checkpoint []byte
	err := s.alone(ctx, func(ctx context.Context, tx pgx.Tx, now state) error {
		if now.building == 0 {
			_, err := tx.Exec(ctx, `UPDATE meta SET given = given + 1, building = given + 1`)
			return err
		}
		err := tx.QueryRow(ctx, `SELECT checkpoint FROM checkpoints WHERE generation = $1`, now.building).Scan(&checkpoint)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin rebuild: %w", err)
	}
	return checkpoint, nil
}

// Fill implements [index.Rebuilder].
func (s *Store) Fill(ctx context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error {
	keys, err := checkRecords(records)
	if err != nil {
		return err
	}
	err = s.decide(&change{ctx: ctx, about: keys, apply: func(w *writing) error {
		if err := w.ledger.Fill(mark, records, w.with(keys)); err != nil {
			return err
		}
		w.checkpoint = &checkpoint
		return nil
	}})
	if err != nil {
		return fmt.Errorf("fill %d manifests: %w", len(records), err)
	}
	return nil
}

// saveCheckpoint writes a checkpoint where it is another one. One without bytes
// is none.
func saveCheckpoint(batch *pgx.Batch, generation int32, checkpoint []byte) {
	if len(checkpoint) == 0 {
		batch.Queue(`DELETE FROM checkpoints WHERE generation = $1`, generation)
		return
	}
	batch.Queue(`INSERT INTO checkpoints AS c (generation, checkpoint) VALUES ($1, $2)
		ON CONFLICT (generation) DO UPDATE SET checkpoint = excluded.checkpoint WHERE c.checkpoint <> excluded.checkpoint`,
		generation, checkpoint)
}

// Unfilled implements [index.Rebuilder].
func (s *Store) Unfilled(ctx context.Context, after index.Key, limit int) (records []index.Record, scanned index.Key, err error) {
	if _, _, err := keyBehind(after); err != nil {
		return nil, index.Key{}, err
	}
	err = s.read(ctx, func(ctx context.Context) error {
		var building int32
		if err := s.pool.QueryRow(ctx, `SELECT building FROM meta`).Scan(&building); err != nil {
			return err
		}
		if building == 0 {
			return index.ErrNoRebuild
		}
		looked := 0
		return walkRecords(ctx, s.pool, after, recordsStep, func(record index.Record, filled bool) bool {
			if !filled {
				records = append(records, record)
			}
			if looked++; looked == scanStep || limit > 0 && len(records) == limit {
				scanned = record.Key()
				return true
			}
			return false
		})
	})
	if err != nil {
		return nil, index.Key{}, fmt.Errorf("list what a rebuild lacks: %w", err)
	}
	return records, scanned, nil
}

// FinishRebuild implements [index.Rebuilder]. It swaps two numbers; what was
// the live generation is dropped little by little.
func (s *Store) FinishRebuild(ctx context.Context) error {
	mirrored := false
	err := s.alone(ctx, func(ctx context.Context, tx pgx.Tx, now state) error {
		if now.building == 0 {
			return index.ErrNoRebuild
		}
		mirrored = now.mirrored
		if mirrored {
			// What either has and the other lacks is a listing that changes.
			for _, p := range [][2]int32{{now.live, now.building}, {now.building, now.live}} {
				if err := addPass(ctx, tx, p[0], p[1]); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM checkpoints`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE meta SET live = building, building = 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish rebuild: %w", err)
	}
	if mirrored {
		// What this leaves, and the error, are for the upkeep: the swap is done.
		_ = s.enterAll(ctx)
	}
	s.wakeUpkeep()
	return nil
}

// AbandonRebuild implements [index.Rebuilder]. What was built is dropped little
// by little.
func (s *Store) AbandonRebuild(ctx context.Context) error {
	err := s.alone(ctx, func(ctx context.Context, tx pgx.Tx, now state) error {
		if now.building == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, `DELETE FROM checkpoints`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE meta SET building = 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("abandon rebuild: %w", err)
	}
	s.wakeUpkeep()
	return nil
}
