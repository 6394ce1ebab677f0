package postgres

import (
	"fmt"
	"slices"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// writing is what a batch of changes is about, as it was when all other writers
// were locked out, and as it is to be.
//
// The lock is held until the transaction has ended. So each batch sees all that
// is committed and nothing that isn't, and the numbers of the history are given
// in the order of the commits: a [index.Mark] that is read says of all smaller
// numbers that they were there.
type writing struct {
	state
	matters map[matterKey]*matter
	open    map[index.IntentID]*openIntent
	// ids are identifiers for intents that begin.
	ids []index.IntentID
	// numbered says that the batch has a number in the history. One is enough,
	// because no mark is given before the transaction has ended.
	numbered bool
	// server is the one that is written to, zero where it can't be told, and
	// moved says that the history begins anew with it.
	server server
	moved  bool
	// entered are the listings that have changed, the last one at the end.
	entered []listing
	// checkpoint is to be saved with the generation in the making, if it is set.
	checkpoint *[]byte
}

// matter is what intents can be about, a manifest or a referrers tag, with all
// that is known of it.
type matter struct {
	key        matterKey
	live, next version
	// intents are the open ones, in the order of their identifiers.
	intents []*openIntent
	// gone is the number of the last change after which an older reading
	// "present" may be wrong, came that for an older "absent"; 0 means never.
	gone, came int64
	noted      bool
	// removed says that its record was removed.
	removed bool
}

// version is the record of a manifest in one generation.
type version struct {
	// is is nil where there is no record.
	was, is *stored
}

// stored is a record as it is in the database. The stamp is the number at which
// it was recorded last: a manifest that was not found before that may be there.
type stored struct {
	row
	repository int32
	stamp      int64
}

// openIntent is an open intent.
type openIntent struct {
	index.Intent
	matter *matter
	// changed says that it is to be written, and ended that it is to be removed.
	// stored says that the database has it.
	changed, ended, stored bool
}

// listing is what the outbox has entries about.
type listing struct {
	repository, subject string
}

// number returns the number of the batch in the history, which is behind every
// mark that was given.
func (w *writing) number() int64 {
	w.numbered = true
	return w.sequence + 1
}

// anew is how far the history jumps, which is further than it ever got.
const anew = 1 << 40

// beginAnew has the history begin behind all marks that were ever given. It is
// for a server that has taken the place of another: that one may have shown
// what this one has never got, and given numbers that this one gives again.
func (w *writing) beginAnew() {
	w.sequence += anew
	w.horizon = w.sequence
	w.moved, w.numbered = true, true
}

// unknown reports whether a mark is from before the horizon, or one that this
// store never gave: it may be older than anything.
func (w *writing) unknown(mark index.Mark) bool {
	return uint64(mark) < uint64(w.horizon) || uint64(mark) > uint64(w.sequence) //nolint:gosec // Neither is negative.
}

// after reports whether something happened after a mark was given.
func after(number int64, mark index.Mark) bool {
	return uint64(number) > uint64(mark) //nolint:gosec // No number is negative.
}

// stalePresent reports whether the manifest may have been deleted after it was
// found present; staleAbsent whether it may have come after it was not found.
func (w *writing) stalePresent(m *matter, mark index.Mark) bool {
	return w.unknown(mark) || after(m.gone, mark)
}

func (w *writing) staleAbsent(m *matter, mark index.Mark) bool {
	return w.unknown(mark) || after(m.came, mark)
}

// markGone notes that the manifest may be gone, or is about to be.
func (w *writing) markGone(m *matter) {
	m.gone, m.noted = w.number(), true
}

// markCame notes that the manifest was recorded while somebody may still find
// that it is absent.
func (w *writing) markCame(m *matter) {
	m.came, m.noted = w.number(), true
}

// versions are those that a change of a record goes to.
func (w *writing) versions(m *matter) []*version {
	if w.building == 0 {
		return []*version{&m.live}
	}
	return []*version{&m.live, &m.next}
}

// recorded reports whether a generation has a record.
func (w *writing) recorded(m *matter) bool {
	return slices.ContainsFunc(w.versions(m), func(v *version) bool { return v.is != nil })
}

// putRecord writes a record to all generations. One that is news was found in
// the upstream after all marks.
func (w *writing) putRecord(m *matter, record index.Record, news bool) error {
	record, err := w.putIn(m, &m.live, record, news)
	if err != nil || w.building == 0 {
		return err
	}
	_, err = w.putIn(m, &m.next, record, news)
	return err
}

// putIn writes a record into one generation and returns it as it is kept: it
// replaces the one that is there, but keeps when that was seen, if earlier.
// Where nothing changes it is stamped only if it is news.
func (w *writing) putIn(m *matter, v *version, record index.Record, news bool) (index.Record, error) {
	before := v.is
	if before != nil {
		seen, err := before.seen()
		if err != nil {
			return record, err
		}
		if seen.Before(record.Seen) {
			record.Seen = seen
		}
	}
	r, err := encodeRow(record)
	if err != nil {
		return record, err
	}
	same := before != nil && before.equal(r)
	if same && !news {
		return record, nil
	}
	if !same {
		w.enter(m, v, before)
	}
	v.is = &stored{row: r, stamp: w.number()}
	if before != nil {
		v.is.repository = before.repository
	}
	if !same {
		w.enter(m, v, v.is)
	}
	return record, nil
}

// removeRecord removes a record from all generations, where there is one.
func (w *writing) removeRecord(m *matter) (removed bool) {
	for _, v := range w.versions(m) {
		if v.is != nil {
			w.enter(m, v, v.is)
			v.is, removed = nil, true
		}
	}
	m.removed = m.removed || removed
	return removed
}

// enter notes that the listing which shows a record has changed, if it is of
// the live generation.
func (w *writing) enter(m *matter, v *version, shown *stored) {
	if !w.mirrored || v != &m.live || shown == nil || shown.subject == nil {
		return
	}
	changed := listing{m.key.repository, string(shown.subject)}
	w.entered = slices.DeleteFunc(w.entered, func(l listing) bool { return l == changed })
	w.entered = append(w.entered, changed)
}

// intent returns an open intent, or nil.
func (w *writing) intent(id index.IntentID) *openIntent {
	if intent := w.open[id]; intent != nil && !intent.ended {
		return intent
	}
	return nil
}

// openOf returns the open intents of a kind for a manifest.
func (m *matter) openOf(kind index.IntentKind) []*openIntent {
	var open []*openIntent
	for _, intent := range m.intents {
		if !intent.ended && intent.Kind == kind {
			open = append(open, intent)
		}
	}
	return open
}

// anyOpen reports whether a push or delete other than the given one is open for
// a manifest.
func (m *matter) anyOpen(but *openIntent) bool {
	return slices.ContainsFunc(m.intents, func(intent *openIntent) bool { return !intent.ended && intent != but })
}

// readIntents takes the open intents.
func (w *writing) readIntents(rows pgx.Rows) error {
	var id index.IntentID
	var kind index.IntentKind
	var repository string
	var about, value []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &kind, &repository, &about, &value}, func() error {
		key := matterKey{repository, string(about)}
		intent, err := decodeIntent(id, kind, key, value)
		if err != nil {
			return err
		}
		m := w.matter(key)
		open := &openIntent{Intent: intent, matter: m, stored: true}
		w.open[id] = open
		m.intents = append(m.intents, open)
		return nil
	})
	for _, m := range w.matters {
		slices.SortFunc(m.intents, func(a, b *openIntent) int { return int(a.ID) - int(b.ID) }) //nolint:gosec // They are close.
	}
	return err
}

// matter returns a matter, which intents may have brought.
func (w *writing) matter(key matterKey) *matter {
	if m, known := w.matters[key]; known {
		return m
	}
	m := &matter{key: key}
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
			m.live = version{&read, &read}
		case w.building:
			m.next = version{&read, &read}
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
	var gone, came int64
	_, err := pgx.ForEachRow(rows, []any{&repository, &about, &gone, &came}, func() error {
		m := w.matter(matterKey{repository, string(about)})
		m.gone, m.came = gone, came
		return nil
	})
	return err
}
