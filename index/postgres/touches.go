package postgres

import (
	"hash/fnv"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/backref/backref/oci"
)

// A batch of changes enters which listings may look different after it, for those
// who follow ([Store.CatchUp]). What changes records or intents otherwise is taken,
// by triggers of the tables, for something that changes all listings: a transaction
// of the store that doesn't enter them, one of the version before, or of an
// operator. Triggers that find entersListings set do nothing.
const (
	entersListings = `SELECT set_config('backref.listings', 'entered', true)`

	// enterTouches gives the next number, and drops the oldest, those that triggers have
	// given too: the table has touchesKept numbers at most.
	enterTouches = `WITH entered AS (
			INSERT INTO touches (number, listings) SELECT number + 1, $1::bigint[] FROM touches ORDER BY number DESC LIMIT 1 RETURNING number)
		DELETE FROM touches WHERE number <= (SELECT number FROM entered) - $2::bigint`
)

const (
	// touchesKept is how many numbers a process can miss, as while it has nothing to
	// answer, before it takes all listings for changed.
	touchesKept = 4096
	// touchesEach bounds the listings that a number has; more are all.
	touchesEach = 1024
)

// listingNumber stands for a listing in the table of touches. It is a part of the
// format of the tables: FNV-1a of the repository, a zero byte, and the referrers tag.
// Listings that share a number seem to change together.
func listingNumber(repository, referrersTag string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(repository + "\x00" + referrersTag))
	return int64(hash.Sum64()) //nolint:gosec // The bits are meant.
}

// saveTouches enters the listings that the changes may have changed.
func (w *writing) saveTouches(batch *pgx.Batch) error {
	listings, err := w.touched()
	if err != nil || len(listings) == 0 {
		return err
	}
	if len(listings) > touchesEach {
		listings = nil
	}
	batch.Queue(enterTouches, listings, touchesKept)
	return nil
}

// touched returns the numbers of the listings that may look different.
func (w *writing) touched() (listings []int64, err error) {
	for _, m := range w.matters {
		if !m.changesListings() {
			continue
		}
		if listings, err = m.appendListings(listings); err != nil {
			return nil, err
		}
	}
	slices.Sort(listings)
	return slices.Compact(listings), nil
}

// changesListings tells whether the rules have changed the live record or an intent.
func (m *matter) changesListings() bool {
	if _, changed := m.Version(ledger.Live); changed {
		return true
	}
	return slices.ContainsFunc(m.Intents(), func(i ledger.Intent) bool { return i.Written() || i.Dropped() })
}

// appendListings appends all listings that a matter has to do with, before the
// changes or after them: that of the tag which it is, or those of the subjects that
// its records and open pushes have.
func (m *matter) appendListings(listings []int64) ([]int64, error) {
	repository := m.stored.key.repository
	if tag, is := strings.CutPrefix(m.stored.key.about, aboutTag("")); is {
		return append(listings, listingNumber(repository, tag)), nil
	}
	add := func(record *index.Record) {
		if subject := record.Subject(); subject != "" {
			listings = append(listings, listingNumber(repository, oci.ReferrersTag(subject)))
		}
	}
	if v, changed := m.Version(ledger.Live); changed {
		add(&v.Was)
		add(&v.Is)
	}
	if r := m.stored.rows[ledger.Live]; r != nil && len(r.subject) > 0 {
		subject, err := expandDigest(r.subject)
		if err != nil {
			return nil, err
		}
		listings = append(listings, listingNumber(repository, oci.ReferrersTag(subject)))
	}
	for i := range m.stored.intents {
		add(&m.stored.intents[i].Record)
	}
	for i := range m.Intents() {
		add(&m.Intents()[i].Record)
	}
	return listings, nil
}
