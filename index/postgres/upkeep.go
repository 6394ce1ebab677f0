package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/jackc/pgx/v5"
)

const (
	// dropStep bounds the rows that a step drops.
	dropStep = 5000
	// upkeepInterval is how often the upkeep looks for something to do: other
	// processes leave it too, and the history grows old.
	upkeepInterval = 10 * time.Minute
	// upkeepSoon is how often it looks whether another process has made what this one
	// will use.
	upkeepSoon = 10 * time.Second
	// historyAge is how long the history is kept. It only has to be longer
	// than the time between a mark and the use of what was read after it.
	historyAge = 24 * time.Hour
)

// upkeep does, until ctx ends, what was left for later, by Store calls or by a
// process that was killed. Of several processes one at a time does a step.
func (s *Store) upkeep(ctx context.Context) {
	defer close(s.rested)
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	for {
		// What fails, as while the database is away, is tried again later.
		_ = s.tidy(ctx)
		for elsewhere := s.makeTypeIndex(ctx); elsewhere; elsewhere = s.makeTypeIndex(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(upkeepSoon):
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-ticker.C:
		}
	}
}

func (s *Store) wakeUpkeep() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tidy does all that there is to do.
func (s *Store) tidy(ctx context.Context) error {
	if err := s.enterAll(ctx); err != nil {
		return err
	}
	for _, drop := range []func(context.Context, pgx.Tx) (int64, error){dropGeneration, dropHistory, dropOldLeases} {
		for more := true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := s.transaction(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
				var mine bool
				if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, s.lockKey(lockUpkeep)).Scan(&mine); err != nil || !mine {
					more = false
					return err
				}
				dropped, err := drop(ctx, tx)
				more = dropped > 0
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return s.dropOverDeletes(ctx)
}

// unused finds a repository of a generation that nothing leads to. Such a
// generation is never used again, so that its rows can go while others write.
const unused = `SELECT r.id FROM repositories r, meta
	WHERE r.generation NOT IN (meta.live, meta.building)
		AND NOT EXISTS (SELECT 1 FROM passes p WHERE r.generation IN (p.generation, p.against))
	LIMIT 1`

// dropGeneration drops rows of a generation that is no longer used.
func dropGeneration(ctx context.Context, tx pgx.Tx) (int64, error) {
	var repository int32
	err := tx.QueryRow(ctx, unused).Scan(&repository)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	// Nothing of it is listed.
	if _, err := tx.Exec(ctx, entersListings); err != nil {
		return 0, err
	}
	for _, table := range []string{"parents", "manifests"} {
		tag, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE ctid = ANY(ARRAY(SELECT ctid FROM `+table+` WHERE repository = $1 LIMIT $2))`, repository, dropStep)
		if err != nil || tag.RowsAffected() == dropStep {
			return tag.RowsAffected(), err
		}
	}
	_, err = tx.Exec(ctx, `DELETE FROM repositories WHERE id = $1`, repository)
	return 1, err
}

// dropHistory drops the changes that are too old to matter, and moves the
// horizon behind them first: what is older is unknown from then on.
func dropHistory(ctx context.Context, tx pgx.Tx) (int64, error) {
	var horizon *int64
	if err := tx.QueryRow(ctx, `SELECT max(sequence) FROM history WHERE at < now() - $1::interval`, historyAge).Scan(&horizon); err != nil || horizon == nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `UPDATE meta SET horizon = $1 WHERE horizon < $1`, *horizon); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM history WHERE sequence < $1`, *horizon); err != nil {
		return 0, err
	}
	// A row that a writer has just changed is looked at again, and stays.
	tag, err := tx.Exec(ctx, `DELETE FROM changes WHERE greatest(gone, came) <= $1
		AND ctid = ANY(ARRAY(SELECT ctid FROM changes WHERE greatest(gone, came) <= $1 LIMIT $2))`, *horizon, dropStep)
	return tag.RowsAffected(), err
}

// dropOldLeases drops leases that have ended and that nobody has taken since.
func dropOldLeases(ctx context.Context, tx pgx.Tx) (int64, error) {
	_, err := tx.Exec(ctx, dropLeases)
	return 0, err
}

// dropOverDeletes ends the deletes that can no longer matter, as the rules say.
func (s *Store) dropOverDeletes(ctx context.Context) error {
	const page = 500
	for after := index.IntentID(0); ; {
		intents, err := s.Intents(ctx, after, page)
		if err != nil {
			return err
		}
		for _, intent := range intents {
			after = intent.ID
			now := time.Now()
			if intent.Kind != index.IntentDelete || !now.After(intent.Deadline) {
				continue
			}
			if err := s.change(onIntent(ctx, intent.ID, func(m *ledger.Matter) error { return m.EndOver(intent.ID, now) })); err != nil {
				return err
			}
		}
		if len(intents) < page {
			return nil
		}
	}
}
