package bolt

import (
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// generation is a set of records with what is derived from them.
type generation struct {
	number  uint64
	records *bbolt.Bucket
	// listed says that queries see it, so that its changes enter the outbox.
	listed bool

	// given is the highest number that a repository had before this
	// transaction, and the others count entries: see [writing.keep].
	given              uint64
	appended, inserted int
}

func openGeneration(in parent, number uint64) (*generation, error) {
	records, err := openTable(in, generationTable(number))
	if err != nil {
		return nil, err
	}
	return &generation{number: number, records: records, given: records.Sequence()}, nil
}

// createGeneration makes an empty one.
func createGeneration(tx *bbolt.Tx, number uint64) error {
	return createTables(tx, generationTable(number))
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
	before, found, err := g.record(key)
	if err != nil {
		return record, err
	}
	if found && before.Seen.Before(record.Seen) {
		record.Seen = before.Seen
	}
	same := false
	if found {
		differs, err := differ(before, record)
		if err != nil {
			return record, err
		}
		same = !differs && before.Seen.Equal(record.Seen)
	}
	if same && !news {
		return record, nil
	}
	if found && !same {
		if err := w.removeDerived(g, before); err != nil {
			return record, err
		}
	}
	return record, w.write(g, record, !same)
}

// write writes a record, and what is derived from it where that is not there.
func (w *writing) write(g *generation, record index.Record, derived bool) error {
	n, err := w.give(g, record.Repository)
	if err != nil {
		return err
	}
	kept, referrer, err := encodeKept(record)
	if err != nil {
		return err
	}
	if derived {
		if err := w.putReferrer(g, n, record, referrer); err != nil {
			return err
		}
		if err := w.putParents(g, n, record); err != nil {
			return err
		}
	}
	manifest, err := packed.AppendDigest(nil, record.Digest)
	if err != nil {
		return err
	}
	stamp, err := w.stamp()
	if err != nil {
		return err
	}
	return w.keep(g, n, sectionKey(n, sectionManifests, manifest), stamped(stamp, kept))
}

// removeDerived removes what is derived from a record.
func (w *writing) removeDerived(g *generation, record index.Record) error {
	n, found, err := g.find([]byte(record.Repository))
	if err != nil || !found {
		return err
	}
	if err := w.removeReferrer(g, n, record); err != nil {
		return err
	}
	return w.removeParents(g, n, record)
}

// removeFrom removes a record and what is derived from it from one generation.
func (w *writing) removeFrom(g *generation, key []byte) (removed bool, err error) {
	record, found, err := g.record(key)
	if !found || err != nil {
		return false, err
	}
	if err := w.removeDerived(g, record); err != nil {
		return false, err
	}
	if err := w.delete(g.records, g.key(key)); err != nil {
		return false, err
	}
	return true, w.take(g, record.Repository)
}
