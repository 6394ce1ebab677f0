package postgres

import (
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/jackc/pgx/v5"
)

// writing is what a batch of changes is about, as it was when all other writers
// were locked out, and as it is to be.
//
// The lock is held until the transaction has ended. So each batch sees all that
// is committed and nothing that isn't, and the numbers of the history are given
// in the order of the commits: a [index.Mark] that is read, the newest number of
// a batch, says of all smaller numbers that they were there.
type writing struct {
	// state is what was read, and ledger what the rules make of it.
	state
	ledger  ledger.State
	matters map[matterKey]*matter
	// open are the matters of the intents that were read.
	open map[index.IntentID]*matter
	// ids are identifiers for intents that begin.
	ids []index.IntentID
	// server is the one that is written to, zero where it can't be told, and
	// moved says that the history begins anew with it.
	server server
	moved  bool
	// checkpoint is to be saved with the generation in the making, if it is set.
	checkpoint *[]byte
}

// matter is a matter of the rules, with what the database has of it.
type matter struct {
	ledger.Matter
	stored known
}

// known is what the database has of a matter: it implements [ledger.Known].
type known struct {
	key matterKey
	// rows are nil where a generation has no record.
	rows       [2]*stored
	intents    []index.Intent
	gone, came uint64
}

// stored is a record as it is in the database. The stamp is the number at which
// the record was put last: see [ledger.Version].
type stored struct {
	row
	repository int32
	stamp      int64
}

// Recorded implements [ledger.Known].
func (k *known) Recorded(in ledger.Generation) (bool, error) { return k.rows[in] != nil, nil }

// Record implements [ledger.Known].
func (k *known) Record(in ledger.Generation) (record index.Record, stamp uint64, found bool, err error) {
	r := k.rows[in]
	if r == nil {
		return index.Record{}, 0, false, nil
	}
	record, err = r.record(k.key.repository)
	return record, uint64(r.stamp), true, err //nolint:gosec // No number is negative.
}

// Open implements [ledger.Known].
func (k *known) Open(ids []index.IntentID, kind index.IntentKind) ([]index.IntentID, error) {
	for i := range k.intents {
		if k.intents[i].Kind == kind {
			ids = append(ids, k.intents[i].ID)
		}
	}
	return ids, nil
}

// Intent implements [ledger.Known].
func (k *known) Intent(id index.IntentID) (intent index.Intent, open bool, err error) {
	for i := range k.intents {
		if k.intents[i].ID == id {
			return k.intents[i], true, nil
		}
	}
	return index.Intent{}, false, nil
}

// History implements [ledger.Known].
func (k *known) History() (gone, came uint64, err error) { return k.gone, k.came, nil }

// anew is how far the history jumps, which is further than it ever got.
const anew = 1 << 40

// beginAnew has the history begin behind all marks that were ever given. It is
// for a server that has taken the place of another: that one may have shown
// what this one has never got, and given numbers that this one gives again.
func (w *writing) beginAnew() {
	w.sequence += anew
	w.horizon, w.moved = w.sequence, true
	w.startLedger()
	w.ledger.Next()
}

// startLedger tells the rules the state that was read.
func (w *writing) startLedger() {
	w.ledger = ledger.State{Sequence: uint64(w.sequence), Horizon: uint64(w.horizon), Building: w.building != 0} //nolint:gosec // Neither is negative.
}

// with lends the matters of keys to the rules.
func (w *writing) with(keys []matterKey) ledger.With {
	return func(i int, rule func(*ledger.Matter) error) error { return rule(&w.matters[keys[i]].Matter) }
}

// decide makes a change that the rules may refuse.
func (s *Store) decide(c *change) error {
	var refusal error
	rule := c.apply
	c.apply = func(w *writing) error {
		refusal = nil
		err := rule(w)
		if ledger.Refuses(err) {
			refusal, err = err, nil
		}
		return err
	}
	if err := s.change(c); err != nil {
		return err
	}
	return refusal
}

// readIntents takes the open intents.
func (w *writing) readIntents(rows pgx.Rows) error {
	var id index.IntentID
	var kind index.IntentKind
	var repository string
	var about, value []byte
	var replaces [][]byte
	_, err := pgx.ForEachRow(rows, []any{&id, &kind, &repository, &about, &value, &replaces}, func() error {
		key := matterKey{repository, string(about)}
		intent, err := decodeIntent(id, kind, key, value, replaces)
		if err != nil {
			return err
		}
		m := w.matter(key)
		w.open[id] = m
		m.stored.intents = append(m.stored.intents, intent)
		return nil
	})
	return err
}

// matter returns a matter, which intents may have brought.
func (w *writing) matter(key matterKey) *matter {
	if m, known := w.matters[key]; known {
		return m
	}
	m := &matter{stored: known{key: key}}
	m.Reset(&w.ledger, &m.stored)
	w.matters[key] = m
	return m
}

// readRows takes the records.
func (w *writing) readRows(rows pgx.Rows) error {
	var generation int32
	var name string
	var r stored
	columns := []any{&r.repository, &generation, &name, &r.stamp, &r.digest, &r.subject, &r.created, &r.artifactType, &r.shown, &r.kept}
	_, err := pgx.ForEachRow(rows, columns, func() error {
		read := r
		m := w.matter(matterKey{name, string(r.digest)})
		switch generation {
		case w.live:
			m.stored.rows[ledger.Live] = &read
		case w.building:
			m.stored.rows[ledger.Next] = &read
		default:
			return fmt.Errorf("%w: a record of generation %d", index.ErrDamaged, generation)
		}
		return nil
	})
	return err
}

// readChanges takes the history.
func (w *writing) readChanges(rows pgx.Rows) error {
	var repository string
	var about []byte
	var gone, came uint64
	_, err := pgx.ForEachRow(rows, []any{&repository, &about, &gone, &came}, func() error {
		m := w.matter(matterKey{repository, string(about)})
		m.stored.gone, m.stored.came = gone, came
		return nil
	})
	return err
}
