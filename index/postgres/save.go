package postgres

import (
	"bytes"
	"context"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// save writes what the changes have made of the matters, and commits it, in one
// round trip: all statements are sent before the first is answered, and one
// that fails keeps those behind it from being carried out.
func (w *writing) save(ctx context.Context, conn *pgxpool.Conn, durability Durability) error {
	var batch pgx.Batch
	if err := w.saveRecords(&batch); err != nil {
		return err
	}
	if err := w.saveIntents(&batch); err != nil {
		return err
	}
	if err := w.saveTouches(&batch); err != nil {
		return err
	}
	w.saveHistory(&batch)
	if err := w.saveOutbox(&batch); err != nil {
		return err
	}
	if err := w.saveArrived(&batch); err != nil {
		return err
	}
	w.dropNotes(&batch)
	if w.checkpoint != nil {
		saveCheckpoint(&batch, w.building, *w.checkpoint)
	}
	return outcome(conn.Conn(), sendCommit(ctx, conn.Conn(), &batch, durability))
}

// rows are columns of rows of manifests, for unnest.
type rows struct {
	generations                                             []int32
	names                                                   []string
	stamps                                                  []int64
	digests, subjects, createds, artifactTypes, shown, kept [][]byte
}

// edges are columns of rows of parents.
type edges struct {
	generations      []int32
	names            []string
	repositories     []int32
	targets, digests [][]byte
	kinds            []int16
}

// keys are columns of the keys of manifests.
type keys struct {
	repositories []int32
	digests      [][]byte
}

// recordChanges are what becomes of the tables of records.
type recordChanges struct {
	put          rows
	remove       keys
	link, unlink edges
}

func (w *writing) saveRecords(batch *pgx.Batch) error {
	var c recordChanges
	for _, m := range w.matters {
		for in, generation := range [...]int32{ledger.Live: w.live, ledger.Next: w.building} {
			in := ledger.Generation(in)
			v, changed := m.Version(in)
			if !changed {
				continue
			}
			if err := c.add(m.stored.key.repository, generation, m.stored.rows[in], v); err != nil {
				return err
			}
		}
	}
	if len(c.unlink.targets) > 0 {
		batch.Queue(deleteParents, c.unlink.repositories, c.unlink.targets, c.unlink.digests, c.unlink.kinds)
	}
	if len(c.remove.digests) > 0 {
		batch.Queue(deleteManifests, c.remove.repositories, c.remove.digests)
	}
	if p := c.put; len(p.digests) > 0 {
		batch.Queue(insertRepositories, p.generations, p.names)
		batch.Queue(putManifests, p.generations, p.names, p.stamps, p.digests, p.subjects, p.createds, p.artifactTypes, p.shown, p.kept)
	}
	if len(c.link.targets) > 0 {
		batch.Queue(insertParents, c.link.generations, c.link.names, c.link.targets, c.link.digests, c.link.kinds)
	}
	return nil
}

// add adds what became of a record in a generation, of which the database has
// the row that it had before.
func (c *recordChanges) add(repository string, generation int32, was *stored, v *ledger.Version) error {
	if !v.Has {
		if was == nil {
			return nil
		}
		c.remove.repositories = append(c.remove.repositories, was.repository)
		c.remove.digests = append(c.remove.digests, was.digest)
		return c.unlink.add(repository, generation, *was)
	}
	is := stored{stamp: int64(v.Stamp)} //nolint:gosec // The history never gets that far.
	var err error
	if is.row, err = encodeRow(v.Is); err != nil {
		return err
	}
	c.put.add(repository, generation, is)
	if was != nil {
		if bytes.Equal(was.kept, is.kept) && bytes.Equal(was.subject, is.subject) {
			return nil
		}
		if err := c.unlink.add(repository, generation, *was); err != nil {
			return err
		}
	}
	return c.link.add(repository, generation, is)
}

func (r *rows) add(repository string, generation int32, s stored) {
	r.generations, r.names = append(r.generations, generation), append(r.names, repository)
	r.stamps = append(r.stamps, s.stamp)
	r.digests, r.subjects = append(r.digests, s.digest), append(r.subjects, s.subject)
	r.createds, r.artifactTypes = append(r.createds, s.created), append(r.artifactTypes, s.artifactType)
	r.shown, r.kept = append(r.shown, s.shown), append(r.kept, s.kept)
}

// add adds the edges of a record but the one to its subject, which the record
// itself is found by.
func (e *edges) add(repository string, generation int32, s stored) error {
	_, list, err := decodeKept(s.kept, nil)
	if err != nil {
		return err
	}
	seen := make(map[index.Edge]struct{}, len(list))
	for _, edge := range list {
		if _, twice := seen[edge]; twice {
			continue
		}
		seen[edge] = struct{}{}
		target, err := compactDigest(edge.Target)
		if err != nil {
			return err
		}
		e.generations, e.names = append(e.generations, generation), append(e.names, repository)
		e.repositories = append(e.repositories, s.repository)
		e.targets, e.digests = append(e.targets, target), append(e.digests, s.digest)
		e.kinds = append(e.kinds, int16(edge.Kind))
	}
	return nil
}

// newRepository is the number of the repository of n.
const newRepository = `(SELECT r.id FROM repositories r WHERE r.generation = n.generation AND r.name = n.name)`

const (
	insertRepositories = `INSERT INTO repositories (generation, name)
		SELECT DISTINCT n.generation, n.name FROM unnest($1::integer[], $2::text[]) AS n(generation, name)
		WHERE ` + newRepository + ` IS NULL`

	putManifests = `INSERT INTO manifests (stamp, repository, digest, subject, created, artifact_type, shown, kept)
		SELECT n.stamp, ` + newRepository + `, n.digest, n.subject, n.created, n.artifact_type, n.shown, n.kept
		FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[])
			AS n(generation, name, stamp, digest, subject, created, artifact_type, shown, kept)
		ON CONFLICT (repository, digest) DO UPDATE SET stamp = excluded.stamp, subject = excluded.subject, created = excluded.created,
			artifact_type = excluded.artifact_type, shown = excluded.shown, kept = excluded.kept`

	deleteManifests = `DELETE FROM manifests WHERE ctid = ANY(ARRAY(
		SELECT m.ctid FROM unnest($1::integer[], $2::bytea[]) AS k(repository, digest)
		CROSS JOIN LATERAL (SELECT m.ctid FROM manifests m WHERE m.repository = k.repository AND m.digest = k.digest OFFSET 0) AS m))`

	insertParents = `INSERT INTO parents (repository, kind, target, digest)
		SELECT ` + newRepository + `, n.kind, n.target, n.digest
		FROM unnest($1::integer[], $2::text[], $3::bytea[], $4::bytea[], $5::smallint[]) AS n(generation, name, target, digest, kind)
		ON CONFLICT DO NOTHING`

	deleteParents = `DELETE FROM parents WHERE ctid = ANY(ARRAY(
		SELECT p.ctid FROM unnest($1::integer[], $2::bytea[], $3::bytea[], $4::smallint[]) AS k(repository, target, digest, kind)
		CROSS JOIN LATERAL (SELECT p.ctid FROM parents p
			WHERE p.repository = k.repository AND p.target = k.target AND p.digest = k.digest AND p.kind = k.kind OFFSET 0) AS p))`
)

func (w *writing) saveIntents(batch *pgx.Batch) error {
	var ended, ids []int64
	var kinds []int16
	var names []string
	var about, subjects, values [][]byte
	var replaced []*string
	var removals removals
	for _, m := range w.matters {
		for i := range m.Intents() {
			intent := &m.Intents()[i]
			if intent.Kind == index.IntentRemoval {
				if err := removals.add(m.stored.key, intent); err != nil {
					return err
				}
				continue
			}
			number := int64(intent.ID) //nolint:gosec // The database gave it.
			switch {
			case intent.Dropped():
				ended = append(ended, number)
			case intent.Written():
				value, err := encodeIntent(intent.Intent)
				if err != nil {
					return err
				}
				subject, err := pushedSubject(intent.Intent)
				if err != nil {
					return err
				}
				replaces, err := replacedText(intent.Intent)
				if err != nil {
					return err
				}
				key := m.stored.key
				ids, kinds, names = append(ids, number), append(kinds, int16(intent.Kind)), append(names, key.repository)
				about, subjects, values = append(about, []byte(key.about)), append(subjects, subject), append(values, value)
				replaced = append(replaced, replaces)
			}
		}
	}
	if len(ended) > 0 {
		batch.Queue(`DELETE FROM intents WHERE id = ANY($1::bigint[])`, ended)
	}
	if len(ids) > 0 {
		batch.Queue(putIntents, ids, kinds, names, about, subjects, values, replaced)
	}
	removals.save(batch)
	return nil
}

// pushedSubject returns the subject of a push, nil where there is none.
func pushedSubject(intent index.Intent) ([]byte, error) {
	if subject := intent.Record.Subject(); subject != "" && intent.Kind == index.IntentPush {
		return compactDigest(subject)
	}
	return nil, nil
}

const putIntents = `INSERT INTO intents (id, kind, repository, about, subject, intent, replaces)
	SELECT n.id, n.kind, n.repository, n.about, n.subject, n.intent, n.replaces::bytea[]
	FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::text[])
		AS n(id, kind, repository, about, subject, intent, replaces)
	ON CONFLICT (id) DO UPDATE SET intent = excluded.intent, replaces = excluded.replaces`

func (w *writing) saveHistory(batch *pgx.Batch) {
	var names []string
	var about [][]byte
	var gone, came []int64
	for _, m := range w.matters {
		if g, c, changed := m.History(); changed {
			names, about = append(names, m.stored.key.repository), append(about, []byte(m.stored.key.about))
			gone, came = append(gone, int64(g)), append(came, int64(c)) //nolint:gosec // The history never gets that far.
		}
	}
	if len(names) > 0 {
		batch.Queue(putChanges, names, about, gone, came)
	}
	if w.moved {
		batch.Queue(`UPDATE meta SET horizon = $1`, w.horizon)
	}
	if newest := w.ledger.Sequence; newest != uint64(w.sequence) { //nolint:gosec // It is not negative.
		batch.Queue(`INSERT INTO history (sequence, at) VALUES ($1, now())`, newest)
		batch.Queue(thinHistory, w.sequence)
	}
}

const putChanges = `INSERT INTO changes (repository, about, gone, came)
	SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[])
	ON CONFLICT (repository, about) DO UPDATE SET gone = excluded.gone, came = excluded.came`

// thinHistory leaves one number a minute behind the newest one, to tell how old
// numbers are.
const thinHistory = `DELETE FROM history WHERE sequence = $1 AND date_trunc('minute', at) = date_trunc('minute', now())`

// saveOutbox enters the listings that have changed, each where it changed last.
func (w *writing) saveOutbox(batch *pgx.Batch) error {
	if !w.mirrored || len(w.ledger.Changed) == 0 {
		return nil
	}
	var names []string
	var subjects [][]byte
	seen := make(map[index.Key]struct{}, len(w.ledger.Changed))
	for _, listing := range slices.Backward(w.ledger.Changed) {
		if _, later := seen[listing]; later {
			continue
		}
		seen[listing] = struct{}{}
		subject, err := compactDigest(listing.Digest)
		if err != nil {
			return err
		}
		names, subjects = append(names, listing.Repository), append(subjects, subject)
	}
	slices.Reverse(names)
	slices.Reverse(subjects)
	batch.Queue(enterListings, names, subjects)
	return nil
}

// enterListings enters listings in their order.
const enterListings = `INSERT INTO outbox (number, repository, subject)
	SELECT nextval('outbox_numbers'), n.repository, n.subject
	FROM unnest($1::text[], $2::bytea[]) AS n(repository, subject)
	ON CONFLICT (repository, subject) DO UPDATE SET number = excluded.number`
