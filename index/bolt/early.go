package bolt

import (
	"bytes"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// Up to format 2 a generation had a bucket for each kind of entry, whose keys
// begin with the name of the repository:
//
//	manifests  repository, digest → stamp, record
//	referrers  repository, subject, digest → artifact type, seen, descriptor
//	created    repository, subject, created, digest → artifact type
//	parents    repository, target, digest, kind → nothing
//
// created came while the number was 1 still. The files of the first version,
// which said 1 too, have no stamps, no field building or outbox, and another
// form of time.

// firstFormat stands for the first of them.
const firstFormat = 0

// The buckets of a generation that are read.
const (
	tableEarlyManifests table = "manifests"
	tableEarlyReferrers table = "referrers"
	tableEarlyParents   table = "parents"
)

// early is a generation of a format up to 2.
type early struct {
	format                        uint64
	manifests, referrers, parents *bbolt.Bucket
	// sequence is a stamp for records that have none.
	sequence uint64
}

// isEarly reports whether a generation is of a format up to 2.
func isEarly(generation *bbolt.Bucket) bool {
	return generation.Bucket([]byte(tableEarlyManifests)) != nil
}

func openEarly(g *generation) (*early, error) {
	e := &early{}
	return e, openTables(g.records, map[table]**bbolt.Bucket{
		tableEarlyManifests: &e.manifests,
		tableEarlyReferrers: &e.referrers,
		tableEarlyParents:   &e.parents,
	})
}

// isFirst tells the files of the first version, given meta.
func isFirst(meta *bbolt.Bucket) bool {
	return meta.Get([]byte(fieldBuilding)) == nil
}

// completeFirst gives a file of the first version what came with the second,
// but for its records. What it knows of its history is forgotten: whoever has
// read the upstream before reads it again.
func completeFirst(tx *bbolt.Tx, meta *bbolt.Bucket) error {
	for _, name := range []table{tableChanges, tableHistory} {
		if err := tx.DeleteBucket([]byte(name)); err != nil {
			return err
		}
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	sequence, err := getField(meta, fieldSequence)
	if err != nil {
		return err
	}
	// What is before the horizon is unknown, so it has to be behind all marks.
	sequence++
	for name, v := range map[field]uint64{fieldOutbox: 0, fieldSequence: sequence, fieldHorizon: sequence} {
		if err := meta.Put([]byte(name), number(v)); err != nil {
			return err
		}
	}
	generation, err := getField(meta, fieldGeneration)
	if err != nil {
		return err
	}
	if err := meta.SetSequence(max(meta.Sequence(), generation)); err != nil {
		return err
	}
	return rewriteFirstIntents(tx)
}

// rewriteFirstIntents writes the open intents of a file of the first version
// as they are written since. There are few.
func rewriteFirstIntents(tx *bbolt.Tx) error {
	intents, err := openTable(tx, tableIntents)
	if err != nil {
		return err
	}
	rewritten := map[string][]byte{}
	cursor := intents.Cursor()
	for id, value := cursor.First(); id != nil; id, value = cursor.Next() {
		intent, err := decodeFirstIntent(value)
		if err != nil {
			return err
		}
		if rewritten[string(id)], err = encodeIntent(intent); err != nil {
			return err
		}
	}
	for id, value := range rewritten {
		if err := intents.Put([]byte(id), value); err != nil {
			return err
		}
	}
	return nil
}

// firstTime reads a time of the first version.
func (d *decoder) firstTime() time.Time {
	seconds, nanos := d.Int(), d.Uint()
	if nanos >= uint64(time.Second) {
		d.Fail()
	}
	if d.Failed {
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos)).UTC() //nolint:gosec // It is less than a second.
}

func (d *decoder) firstManifest() (m index.Manifest, seen time.Time) {
	seen = d.firstTime()
	d.description(&m)
	m.Edges = d.edges()
	return m, seen
}

func decodeFirstIntent(value []byte) (index.Intent, error) {
	d := decoder{packed.Decoder{B: value}}
	intent := index.Intent{Kind: index.IntentKind(d.Byte())}
	flags := d.Byte()
	intent.Contended = flags&flagContended != 0
	intent.Recorded = flags&flagRecorded != 0
	intent.Deadline = d.firstTime()
	intent.Tag = d.Text()
	repository, manifest := d.Text(), d.digest()
	intent.Record.Manifest, intent.Record.Seen = d.firstManifest()
	intent.Record.Repository, intent.Record.Digest = repository, manifest
	return intent, d.End("intent")
}

// repositoryBehind returns the name that follows one, "" behind the last.
func (e *early) repositoryBehind(name string) (string, error) {
	var start []byte
	if name != "" {
		// Behind the zero byte that ends a name comes what is in it.
		start = append([]byte(name), 1)
	}
	key, _ := e.manifests.Cursor().Seek(start)
	if key == nil {
		return "", nil
	}
	repository, _, found := bytes.Cut(key, []byte{0})
	if !found || len(repository) == 0 {
		return "", fmt.Errorf("%w: key of a record", index.ErrDamaged)
	}
	return string(repository), nil
}

// movedEntry is one of the present format.
type movedEntry struct{ key, value []byte }

// entries returns those of a section that follow a spot, for the repository
// that has the number, and the key of the last that it looked at: nil where
// no more follow.
func (e *early) entries(at spot, n repositoryNumber, limit int) (entries []movedEntry, last []byte, err error) {
	prefix, err := repositoryKey(at.repository)
	if err != nil {
		return nil, nil, err
	}
	source := map[section]*bbolt.Bucket{
		sectionCreated: e.referrers, sectionReferrers: e.referrers, sectionManifests: e.manifests, sectionParents: e.parents,
	}[at.section]
	if source == nil {
		return nil, nil, fmt.Errorf("%w: place of a migration", index.ErrDamaged)
	}
	start := prefix
	if at.after != nil {
		start = at.after
	}
	// No key is the prefix alone.
	cursor := source.Cursor()
	key, value := seekBehind(cursor, start)
	for ; bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
		entry, err := e.entry(at, n, key[len(prefix):], value)
		if err != nil {
			return nil, nil, err
		}
		if entry.key != nil {
			entries = append(entries, entry)
		}
		if limit--; limit == 0 {
			return entries, bytes.Clone(key), nil
		}
	}
	return entries, nil, nil
}

// entry turns an entry into that of a section; one without a key is left out.
func (e *early) entry(at spot, n repositoryNumber, rest, value []byte) (movedEntry, error) {
	if at.section == sectionParents {
		// That of a subject is seen by its referrer.
		if index.EdgeKind(rest[len(rest)-1]) == index.EdgeSubject {
			return movedEntry{}, nil
		}
		return movedEntry{key: sectionKey(n, sectionParents, rest)}, nil
	}
	if at.section == sectionManifests {
		record, stamp, err := e.record(at.repository, rest, value)
		if err != nil {
			return movedEntry{}, err
		}
		kept, _, err := encodeKept(record)
		return movedEntry{sectionKey(n, sectionManifests, rest), stamped(stamp, kept)}, err
	}
	record, err := e.referrer(at.repository, rest)
	if err != nil {
		return movedEntry{}, err
	}
	keys, err := listingKeys(n, record)
	if err != nil {
		return movedEntry{}, err
	}
	if keys == nil {
		return movedEntry{}, fmt.Errorf("%w: a referrer without a subject", index.ErrDamaged)
	}
	if at.section == sectionCreated {
		return movedEntry{keys.created, []byte(record.ArtifactType)}, nil
	}
	_, referrer, err := encodeKept(record)
	return movedEntry{keys.referrer, referrer}, err
}

// referrer reads the record of a referrer, given the end of its key.
func (e *early) referrer(repository string, subjectAndDigest []byte) (index.Record, error) {
	_, manifest, err := packed.CutDigest(subjectAndDigest)
	if err != nil {
		return index.Record{}, err
	}
	key, err := repositoryKey(repository)
	if err != nil {
		return index.Record{}, err
	}
	record, _, err := e.record(repository, manifest, e.manifests.Get(append(key, manifest...)))
	return record, err
}

// record reads the record of a manifest, and its stamp.
func (e *early) record(repository string, manifest, value []byte) (record index.Record, stamp uint64, err error) {
	compact, rest, err := packed.CutDigest(manifest)
	if err != nil || len(rest) > 0 {
		return record, 0, fmt.Errorf("%w: key of a record", index.ErrDamaged)
	}
	name := packed.ExpandDigest(compact)
	if e.format != firstFormat {
		stamp, encoded, err := cutStamp(value)
		if err != nil {
			return record, 0, err
		}
		record, err = decodeRecord(repository, name, encoded)
		return record, stamp, err
	}
	d := decoder{packed.Decoder{B: value}}
	record.Repository = repository
	record.Manifest, record.Seen = d.firstManifest()
	record.Digest = name
	return record, e.sequence, d.End("record")
}
