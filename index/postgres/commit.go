package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// batchWeight bounds the matters that a batch is about, beside the first change.
const batchWeight = 10_000

// change is one call that writes, handed to the writer.
type change struct {
	ctx context.Context
	// about are the matters that it looks at, intents the open intents that it
	// names, and begins the identifiers that it needs.
	about   []matterKey
	intents []index.IntentID
	begins  int
	// apply makes the change in memory. It may be run again in another
	// transaction, so it sets what it returns to its caller each time, and only
	// an error that nothing was meant to cause is returned.
	apply func(*writing) error
	// patient says that its caller is in no hurry.
	patient bool
}

// newQueue returns the queue of the writer of this process. The changes of a
// batch share the questions, the time for which the disk is waited for, and the
// lock that keeps other processes out.
func (s *Store) newQueue(attempted func(changes int, err error)) *commit.Queue[*change] {
	return commit.New(s.attempt, commit.Options[*change]{
		Weigh:     func(c *change) int { return len(c.about) },
		MaxWeight: batchWeight,
		Attempted: attempted,
	})
}

// change has the writer make a change and waits until it is on disk.
func (s *Store) change(c *change) error {
	if c.patient {
		return s.queue.CommitLater(c.ctx, c)
	}
	return s.queue.Commit(c.ctx, c)
}

// attempt makes the changes in one transaction, as [commit.Attempt] says. An
// error of the commit itself says nothing about the outcome.
func (s *Store) attempt(batch []*change) (failed int, err error) {
	// Others wait for the end of it, so it is not theirs to give up.
	ctx, cancel := context.WithTimeout(traced(batch), s.timeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return commit.All, s.failure(context.Background(), fmt.Errorf("begin change of index: %w", err))
	}
	// A connection that is within a transaction is closed, which ends it.
	defer conn.Release()
	w, err := s.load(ctx, conn, batch)
	if err != nil {
		return commit.All, s.failure(context.Background(), fmt.Errorf("begin change of index: %w", err))
	}
	if s.wrote != w.server && s.wrote != (server{}) {
		w.beginAnew()
	}
	for place, c := range batch {
		if err := c.apply(w); err != nil {
			return place, err
		}
	}
	err = w.save(ctx, conn, s.durability)
	if err == nil && !s.servers.current(w.server) {
		err = fmt.Errorf("%w: %w", errUnknownOutcome, errReplaced)
	}
	if err != nil {
		return commit.All, s.failure(context.Background(), fmt.Errorf("commit change of index: %w", err))
	}
	s.wrote = w.server
	return commit.All, nil
}

// errNotCommitted means that the database undid a transaction instead.
var errNotCommitted = errors.New("the transaction was rolled back")

// alone makes a change that no other is made with, in a transaction that keeps
// other writers out. It has no bound of time but its context's.
func (s *Store) alone(ctx context.Context, work func(ctx context.Context, tx pgx.Tx, state state) error) error {
	return s.locked(ctx, s.queueLock, work)
}

// locked makes a change in a transaction that takes a lock first.
func (s *Store) locked(ctx context.Context, lock func(*pgx.Batch), work func(ctx context.Context, tx pgx.Tx, state state) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return index.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var at server
	err := s.transaction(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		var questions pgx.Batch
		var now state
		lock(&questions)
		s.queueState(&questions, &now)
		at = serverOf(tx.Conn())
		s.queueServer(&questions, &at)
		questions.Queue(`SET LOCAL statement_timeout = 0`)
		if err := tx.SendBatch(ctx, &questions).Close(); err != nil {
			return err
		}
		if err := s.servers.admit(at); err != nil {
			return err
		}
		return work(ctx, tx, now)
	})
	if err == nil {
		err = s.checkCommitted(ctx, at)
	}
	return s.failure(ctx, err)
}

// state is what there is one of.
type state struct {
	format int
	// live and building are numbers of generations; building is 0 where none is
	// made.
	live, building int32
	// mirrored says that the outbox is on.
	mirrored bool
	// news says that arrivals are entered.
	news              bool
	horizon, sequence int64
}

const selectState = `SELECT format, live, building, mirrored, news, horizon, (` + selectMark + `) FROM meta`

func (s *state) fields() []any {
	return []any{&s.format, &s.live, &s.building, &s.mirrored, &s.news, &s.horizon, &s.sequence}
}

// queueState queues the question for the state, of a format that is known.
func (s *Store) queueState(batch *pgx.Batch, now *state) {
	batch.Queue(selectState).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(now.fields()...); err != nil {
			return err
		}
		return checkFormat(now.format)
	})
}

// load locks out other writers, and reads all that the changes look at.
func (s *Store) load(ctx context.Context, conn *pgxpool.Conn, batch []*change) (*writing, error) {
	w := &writing{matters: map[matterKey]*matter{}, open: map[index.IntentID]*matter{}}
	var names []string
	var about [][]byte
	var intents []int64
	begins := 0
	for _, c := range batch {
		for _, key := range c.about {
			if _, known := w.matters[key]; known {
				continue
			}
			w.matter(key)
			names, about = append(names, key.repository), append(about, []byte(key.about))
		}
		for _, id := range c.intents {
			intents = append(intents, int64(id)) //nolint:gosec // The database gave it.
		}
		begins += c.begins
	}
	var questions pgx.Batch
	s.pool.queueBegin(&questions)
	s.queueLock(&questions)
	questions.Queue(entersListings)
	s.queueState(&questions, &w.state)
	w.server = serverOf(conn.Conn())
	s.queueServer(&questions, &w.server)
	questions.Queue(selectIntents, names, about, intents).Query(w.readIntents)
	questions.Queue(selectRows, names, about, intents).Query(w.readRows)
	questions.Queue(selectChanges, names, about, intents).Query(w.readChanges)
	if begins+len(intents) > 0 {
		questions.Queue(takeIDs, begins, intents).Query(func(rows pgx.Rows) (err error) {
			w.ids, err = pgx.CollectRows(rows, pgx.RowTo[index.IntentID])
			return err
		})
	}
	if err := conn.SendBatch(ctx, &questions).Close(); err != nil {
		return nil, err
	}
	w.startLedger()
	return w, s.servers.admit(w.server)
}

// takeIDs takes as many identifiers as intents begin, and one for each manifest that
// a push replaces which is named.
const takeIDs = `SELECT nextval('intent_ids') FROM generate_series(1, $1::bigint +
	coalesce((SELECT sum(cardinality(i.replaces)) FROM intents i WHERE i.id = ANY($2::bigint[])), 0))`

// aboutAll are the matters that are named, and those of the intents that are, with
// what these replace.
const aboutAll = `WITH about AS (
	SELECT k.repository, k.about FROM unnest($1::text[], $2::bytea[]) AS k(repository, about)
	UNION SELECT i.repository, unnest(array_prepend(i.about, i.replaces)) FROM intents i WHERE i.id = ANY($3::bigint[])
	UNION SELECT r.repository, r.about FROM removals r WHERE r.id = ANY($3::bigint[])) `

// Where many rows are looked up at once, the order of the look-ups is written
// down: each row by itself, by the whole key of an index. Left to itself the
// planner, which knows neither how many rows are asked for nor how large the
// tables will be, finds others. OFFSET 0 keeps a part as it is.
const (
	selectIntents = aboutAll + `SELECT i.id, i.kind, i.repository, i.about, i.intent, i.replaces FROM about a
		CROSS JOIN LATERAL (SELECT * FROM intents i WHERE i.repository = a.repository AND i.about = a.about OFFSET 0) AS i
		UNION ALL SELECT r.id, ` + kindRemoval + `, r.repository, r.about, r.intent, NULL FROM about a
		CROSS JOIN LATERAL (SELECT * FROM removals r WHERE r.repository = a.repository AND r.about = a.about OFFSET 0) AS r`

	selectRows = aboutAll + `SELECT m.repository, g.generation, a.repository, m.stamp, m.digest, m.subject, m.created, m.artifact_type, m.shown, m.kept
		FROM about a
		CROSS JOIN LATERAL (SELECT live AS generation FROM meta UNION ALL SELECT building FROM meta WHERE building <> 0 OFFSET 0) AS g
		CROSS JOIN LATERAL (SELECT * FROM manifests m WHERE m.digest = a.about AND m.repository =
			(SELECT r.id FROM repositories r WHERE r.generation = g.generation AND r.name = a.repository) OFFSET 0) AS m`

	selectChanges = aboutAll + `SELECT c.repository, c.about, c.gone, c.came FROM about a
		CROSS JOIN LATERAL (SELECT * FROM changes c WHERE c.repository = a.repository AND c.about = a.about OFFSET 0) AS c`
)
