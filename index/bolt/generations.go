package bolt

import (
	"bytes"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// generation is a set of records with what is derived from them.
type generation struct {
	number uint64
	// bucket is the one that has the others, and the checkpoint of a rebuild.
	bucket                                 *bbolt.Bucket
	manifests, referrers, created, parents *bbolt.Bucket
	// listed says that queries see it, so that its changes enter the outbox.
	listed bool
}

func openGeneration(in parent, number uint64) (*generation, error) {
	g := &generation{number: number}
	var err error
	if g.bucket, err = openTable(in, generationTable(number)); err != nil {
		return nil, err
	}
	err = openTables(g.bucket, map[table]**bbolt.Bucket{
		tableManifests: &g.manifests,
		tableReferrers: &g.referrers,
		tableCreated:   &g.created,
		tableParents:   &g.parents,
	})
	return g, err
}

// createGeneration makes an empty one.
func createGeneration(tx *bbolt.Tx, number uint64) error {
	return createTables(tx, generationTable(number), tableManifests, tableReferrers, tableCreated, tableParents)
}

// createTables makes a bucket at the top of the file with buckets in it.
func createTables(tx *bbolt.Tx, name table, within ...table) error {
	bucket, err := tx.CreateBucket([]byte(name))
	if err != nil {
		return err
	}
	for _, name := range within {
		if _, err := bucket.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// A record's value begins with its stamp: the sequence at which it was
// recorded last. A manifest that was not found before that may be there.
func stamped(stamp uint64, record []byte) []byte {
	var e encoder
	e.uint(stamp)
	return append(e.b, record...)
}

func cutStamp(value []byte) (stamp uint64, record []byte, err error) {
	d := decoder{b: value}
	stamp = d.uint()
	if d.failed {
		return 0, nil, fmt.Errorf("%w: value of a record", index.ErrDamaged)
	}
	return stamp, d.b, nil
}

// decodeStamped reads a value of manifests.
func decodeStamped(repository string, manifest digest.Digest, value []byte) (index.Record, error) {
	_, encoded, err := cutStamp(value)
	if err != nil {
		return index.Record{}, err
	}
	return decodeRecord(repository, manifest, encoded)
}

// stamp returns the number for what is recorded in this transaction. It is
// behind every mark that was given, and one is enough, because no mark is given
// before the transaction is on disk.
func (w *writing) stamp() (uint64, error) {
	if w.stampGiven == 0 {
		w.sequence++
		w.stampGiven = w.sequence
		return w.stampGiven, w.putField(fieldSequence, w.sequence)
	}
	return w.stampGiven, nil
}

// putIn writes a record into one generation and returns it as it is kept: it
// replaces the one that is there, but keeps when that was seen, if earlier.
// Where nothing changes it is stamped only if it is news.
func (w *writing) putIn(g *generation, key []byte, record index.Record, news bool) (index.Record, error) {
	old := g.manifests.Get(key)
	var encoded []byte
	if old != nil {
		var err error
		if _, encoded, err = cutStamp(old); err != nil {
			return record, err
		}
		before, err := decodeRecord(record.Repository, record.Digest, encoded)
		if err != nil {
			return record, err
		}
		if before.Seen.Before(record.Seen) {
			record.Seen = before.Seen
		}
	}
	value, err := encodeRecord(record)
	if err != nil {
		return record, err
	}
	same := old != nil && bytes.Equal(encoded, value)
	if same && !news {
		return record, nil
	}
	if !same {
		if err := w.replaceDerived(g, key, record); err != nil {
			return record, err
		}
	}
	stamp, err := w.stamp()
	if err != nil {
		return record, err
	}
	return record, w.put(g.manifests, key, stamped(stamp, value))
}

// replaceDerived writes what is derived from a record in the place of what was
// derived from the one that is there.
func (w *writing) replaceDerived(g *generation, key []byte, record index.Record) error {
	if _, err := w.removeFrom(g, key, record.Repository, record.Digest); err != nil {
		return err
	}
	if err := w.putReferrer(g, record); err != nil {
		return err
	}
	return w.putParents(g, record)
}

// removeFrom removes a record and what is derived from it from one generation.
func (w *writing) removeFrom(g *generation, key []byte, repository string, manifest digest.Digest) (removed bool, err error) {
	value := g.manifests.Get(key)
	if value == nil {
		return false, nil
	}
	record, err := decodeStamped(repository, manifest, value)
	if err != nil {
		return false, err
	}
	if err := w.removeReferrer(g, record); err != nil {
		return false, err
	}
	if err := w.removeParents(g, record); err != nil {
		return false, err
	}
	return true, w.delete(g.manifests, key)
}
