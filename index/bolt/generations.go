package bolt

import (
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// generation is a set of records with what is derived from them.
type generation struct {
	number  uint64
	records *bbolt.Bucket

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

// saveVersion writes what became of the record of a manifest in a generation.
func (w *writing) saveVersion(g *generation, key []byte, v *ledger.Version) error {
	rewritten := v.Rewritten()
	if v.Had && rewritten {
		if err := w.removeDerived(g, v.Was); err != nil {
			return err
		}
	}
	switch {
	case v.Has:
		return w.write(g, v.Is, v.Stamp, rewritten)
	case v.Had:
		if err := w.delete(g.records, g.key(key)); err != nil {
			return err
		}
		return w.take(g, v.Was.Repository)
	default:
		return nil
	}
}

// write writes a record, and what is derived from it where that is not there.
func (w *writing) write(g *generation, record index.Record, stamp uint64, derived bool) error {
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
