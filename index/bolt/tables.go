package bolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

// formatVersion is the layout that doc.go describes.
const formatVersion = 1

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
)

// The buckets of a generation.
const (
	tableManifests table = "manifests"
	tableReferrers table = "referrers"
	tableParents   table = "parents"
)

// field is a key of the meta bucket. All hold numbers of eight bytes.
type field string

const (
	fieldFormat     field = "format"
	fieldGeneration field = "generation"
	fieldSequence   field = "sequence"
	fieldHorizon    field = "horizon"
)

func generationTable(number uint64) table {
	return table(fmt.Sprintf("generation-%d", number))
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

// liveTables opens buckets of the live generation.
func liveTables(tx *bbolt.Tx, names ...table) ([]*bbolt.Bucket, error) {
	meta, err := openTable(tx, tableMeta)
	if err != nil {
		return nil, err
	}
	live, err := getField(meta, fieldGeneration)
	if err != nil {
		return nil, err
	}
	generation, err := openTable(tx, generationTable(live))
	if err != nil {
		return nil, err
	}
	buckets := make([]*bbolt.Bucket, len(names))
	for i, name := range names {
		if buckets[i], err = openTable(generation, name); err != nil {
			return nil, err
		}
	}
	return buckets, nil
}

// writing is a write transaction with all of its buckets.
type writing struct {
	meta, intents, open, changes, history *bbolt.Bucket
	manifests, referrers, parents         *bbolt.Bucket

	// sequence and horizon are those of meta.
	sequence, horizon uint64
	now               time.Time
	// dirty says that there is something to commit.
	dirty bool
}

func newWriting(tx *bbolt.Tx, now time.Time) (*writing, error) {
	w := &writing{now: now}
	top := []struct {
		name   table
		bucket **bbolt.Bucket
	}{
		{tableMeta, &w.meta},
		{tableIntents, &w.intents},
		{tableOpen, &w.open},
		{tableChanges, &w.changes},
		{tableHistory, &w.history},
	}
	for _, t := range top {
		var err error
		if *t.bucket, err = openTable(tx, t.name); err != nil {
			return nil, err
		}
	}
	live, err := liveTables(tx, tableManifests, tableReferrers, tableParents)
	if err != nil {
		return nil, err
	}
	w.manifests, w.referrers, w.parents = live[0], live[1], live[2]
	if w.sequence, err = getField(w.meta, fieldSequence); err != nil {
		return nil, err
	}
	w.horizon, err = getField(w.meta, fieldHorizon)
	return w, err
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
