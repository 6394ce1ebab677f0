package bolt

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"go.etcd.io/bbolt"
)

// formatVersion is the layout that doc.go describes. Whoever changes it says in
// migrate.go how files of the one before are brought forward, and keeps one of
// them in index/testdata/formats.
const formatVersion = 4

// firstGeneration numbers the data of a new index.
const firstGeneration = 1

// table is the name of a bucket.
type table string

// The buckets at the top of the file.
const (
	tableMeta    table = "meta"
	tableIntents table = "intents"
	tableOpen    table = "open"
	tableChanges table = "changes"
	tableHistory table = "history"
	tableReserve table = "reserve"
	// tableUnheld is made with its first key: files of earlier versions have
	// none.
	tableUnheld table = "unheld"
	// tableMade too.
	tableMade table = "made"
	// An index has it once a listing was served under a referrers tag.
	tableServed table = "served"
)

// The buckets of an outbox.
const (
	tableEntries  table = "entries"
	tableListings table = "listings"
	tablePasses   table = "passes"
)

// tableEnds is a bucket of what was served under referrers tags, beside one that
// is called as that of an outbox.
const tableEnds table = "ends"

// What the names of numbered buckets begin with.
const (
	generationPrefix = "generation-"
	outboxPrefix     = "outbox-"
)

// field is a key of the meta bucket. All hold numbers of eight bytes.
// Building and outbox are 0 where there is none.
type field string

const (
	fieldFormat     field = "format"
	fieldGeneration field = "generation"
	fieldSequence   field = "sequence"
	fieldHorizon    field = "horizon"
	fieldBuilding   field = "building"
	fieldOutbox     field = "outbox"
)

func generationTable(number uint64) table {
	return table(generationPrefix + strconv.FormatUint(number, 10))
}

func outboxTable(number uint64) table {
	return table(outboxPrefix + strconv.FormatUint(number, 10))
}

// parent is what has buckets: a transaction or a bucket.
type parent interface {
	Bucket(name []byte) *bbolt.Bucket
}

func openTable(in parent, name table) (*bbolt.Bucket, error) {
	bucket := in.Bucket([]byte(name))
	if bucket == nil {
		return nil, fmt.Errorf("%w: it has no %s", index.ErrDamaged, name)
	}
	return bucket, nil
}

func openTables(in parent, buckets map[table]**bbolt.Bucket) error {
	for name, bucket := range buckets {
		var err error
		if *bucket, err = openTable(in, name); err != nil {
			return err
		}
	}
	return nil
}

func getField(meta *bbolt.Bucket, name field) (uint64, error) {
	value := meta.Get([]byte(name))
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: it has no %s", index.ErrDamaged, name)
	}
	return binary.BigEndian.Uint64(value), nil
}

func number(v uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, v)
}

// openLive opens the live generation.
func openLive(tx *bbolt.Tx) (*generation, error) {
	meta, err := openTable(tx, tableMeta)
	if err != nil {
		return nil, err
	}
	live, err := getField(meta, fieldGeneration)
	if err != nil {
		return nil, err
	}
	return openGeneration(tx, live)
}

// openGenerations opens the live generation, and the one in the making where
// there is one.
func openGenerations(tx *bbolt.Tx) (live, next *generation, err error) {
	meta, err := openTable(tx, tableMeta)
	if err != nil {
		return nil, nil, err
	}
	number, err := getField(meta, fieldGeneration)
	if err != nil {
		return nil, nil, err
	}
	if live, err = openGeneration(tx, number); err != nil {
		return nil, nil, err
	}
	if number, err = getField(meta, fieldBuilding); err != nil || number == 0 {
		return live, nil, err
	}
	next, err = openGeneration(tx, number)
	return live, next, err
}

// writing is a write transaction with all of its buckets.
type writing struct {
	tx                                    *bbolt.Tx
	meta, intents, open, changes, history *bbolt.Bucket
	live                                  *generation
	// next is the generation in the making, or nil.
	next *generation
	// outbox is nil where it is off.
	outbox *outbox

	// ledger is what the rules make of the state, and sequence that of it which
	// meta has.
	ledger   ledger.State
	sequence uint64
	// desk is nil until a rule decides, unless it is that of an earlier
	// transaction, and openCursor is for what the rules ask.
	desk       *desk
	openCursor *bbolt.Cursor
	now        time.Time
	// touched are the listings that may look different afterwards, all of them
	// where allTouched is set.
	touched    []listingName
	allTouched bool
	// dirty says that there is something to commit, list that the list of free
	// pages is to be written, however long it is. Where only checked is set, it is
	// committed that nothing has changed.
	dirty, list, checked bool
	// reserve says that what is unused is left until pages are wanted, saved
	// that pages were put there.
	reserve, saved bool
}

func newWriting(tx *bbolt.Tx, now time.Time) (*writing, error) {
	w := &writing{tx: tx, now: now}
	err := openTables(tx, map[table]**bbolt.Bucket{
		tableMeta:    &w.meta,
		tableIntents: &w.intents,
		tableOpen:    &w.open,
		tableChanges: &w.changes,
		tableHistory: &w.history,
	})
	if err != nil {
		return nil, err
	}
	if w.live, w.next, err = openGenerations(tx); err != nil {
		return nil, err
	}
	on, err := getField(w.meta, fieldOutbox)
	if err != nil {
		return nil, err
	}
	if on != 0 {
		if w.outbox, err = openOutbox(tx, on); err != nil {
			return nil, err
		}
	}
	if w.sequence, err = getField(w.meta, fieldSequence); err != nil {
		return nil, err
	}
	w.ledger.Sequence = w.sequence
	w.openCursor = w.open.Cursor()
	w.ledger.Horizon, err = getField(w.meta, fieldHorizon)
	return w, err
}

// generations returns those that changes of records go to.
func (w *writing) generations() []*generation {
	if w.next == nil {
		return []*generation{w.live}
	}
	return []*generation{w.live, w.next}
}

// freshNumber returns a number that was not given before. It counts
// generations, outboxes, and what is entered there.
func (w *writing) freshNumber() (uint64, error) {
	w.dirty = true
	return w.meta.NextSequence()
}

func (w *writing) put(bucket *bbolt.Bucket, key, value []byte) error {
	w.dirty = true
	return bucket.Put(key, value)
}

func (w *writing) delete(bucket *bbolt.Bucket, key []byte) error {
	w.dirty = true
	return bucket.Delete(key)
}

func (w *writing) putField(name field, v uint64) error {
	return w.put(w.meta, []byte(name), number(v))
}
