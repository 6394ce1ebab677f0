package bolt

import (
	"bytes"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"go.etcd.io/bbolt"
)

// A record is kept as an entry of manifests: its stamp, Seen, its edges, and
// its description, which is what a descriptor says of it. That of a record that
// has a subject stands in the entry of referrers alone, where the listings need
// it, unless it can't be read from there exactly.

// encodeKept returns the entry of manifests without its stamp, and that of
// referrers, nil where the record has no subject.
func encodeKept(record index.Record) (kept, referrer []byte, err error) {
	var e encoder
	e.Time(record.Seen)
	e.edges(record.Edges)
	whole := true
	if record.Subject() != "" {
		if referrer, whole, err = encodeReferrer(record); err != nil {
			return nil, nil, err
		}
	}
	if whole {
		e.description(record.Manifest)
	}
	return e.B, referrer, e.Err
}

// stamped puts the stamp in front of an entry: the sequence at which it was
// recorded last. A manifest that was not found before that may be there.
func stamped(stamp uint64, kept []byte) []byte {
	var e encoder
	e.Uint(stamp)
	return append(e.B, kept...)
}

func cutStamp(value []byte) (stamp uint64, kept []byte, err error) {
	d := decoder{packed.Decoder{B: value}}
	stamp = d.Uint()
	if d.Failed {
		return 0, nil, errRecordValue()
	}
	return stamp, d.B, nil
}

func errRecordValue() error {
	return fmt.Errorf("%w: value of a record", index.ErrDamaged)
}

// shelf is where the records of one repository are read.
type shelf struct {
	repository string
	number     repositoryNumber
	// cursor finds the referrers, by keys that are put together in key.
	cursor *bbolt.Cursor
	key    []byte
}

func newShelf(g *generation, repository []byte, n repositoryNumber) *shelf {
	return &shelf{repository: string(repository), number: n, cursor: g.records.Cursor()}
}

// record returns the record of a manifest, whose key is given, and its stamp.
func (g *generation) record(key []byte) (record index.Record, stamp uint64, found bool, err error) {
	name, manifest, _ := bytes.Cut(key, []byte{0})
	n, found, err := g.find(name)
	if !found || err != nil {
		return index.Record{}, 0, false, err
	}
	value := g.records.Get(sectionKey(n, sectionManifests, manifest))
	if value == nil {
		return index.Record{}, 0, false, nil
	}
	if stamp, _, err = cutStamp(value); err != nil {
		return index.Record{}, 0, true, err
	}
	record, err = newShelf(g, name, n).record(manifest, value)
	return record, stamp, true, err
}

// record reads the record of the entry that a tour of manifests is at.
func (t *tour) record(manifest, value []byte) (index.Record, error) {
	if t.shelf == nil || t.shelf.number != t.number {
		t.shelf = newShelf(t.g, t.repository, t.number)
	}
	return t.shelf.record(manifest, value)
}

// record reads a record, given the compact digest and the value of its entry.
func (s *shelf) record(manifest, value []byte) (index.Record, error) {
	kept, err := s.open(manifest, value)
	if err != nil {
		return index.Record{}, err
	}
	return s.decode(manifest, &kept)
}

// kept is the entry of a record in the memory of the transaction. What
// describes it is either the rest of the value or the referrer.
type kept struct {
	value, described []byte
	referrer         referrer
	// size is that of all that is kept of the description and the value.
	size int
}

// open finds what describes a record.
func (s *shelf) open(manifest, value []byte) (kept, error) {
	compact, rest, err := packed.CutDigest(manifest)
	if err != nil || len(rest) > 0 {
		return kept{}, fmt.Errorf("%w: key of a record", index.ErrDamaged)
	}
	_, encoded, err := cutStamp(value)
	if err != nil {
		return kept{}, err
	}
	k, subject, err := cutKept(encoded)
	k.size += len(value) - len(encoded)
	if k.described != nil || err != nil {
		return k, err
	}
	shown := s.find(subject, compact)
	if k.referrer, err = cutReferrer(shown); err != nil || k.referrer.whole != nil {
		return kept{}, errRecordValue()
	}
	k.size += len(shown)
	return k, nil
}

// find returns the value of a referrer, nil where there is none.
func (s *shelf) find(subject, manifest []byte) []byte {
	key := append(append(s.key[:0], s.number[:]...), byte(sectionReferrers))
	s.key = append(append(key, subject...), manifest...)
	found, value := s.cursor.Seek(s.key)
	if !bytes.Equal(found, s.key) {
		return nil
	}
	return value
}

// cutKept finds the description in an entry of manifests, or the subject under
// which the referrer has it.
func cutKept(value []byte) (k kept, subject []byte, err error) {
	d := decoder{packed.Decoder{B: value}}
	d.Time()
	for i := range d.Count() {
		kind, target := index.EdgeKind(d.Byte()), d.Compact()
		if i == 0 && kind == index.EdgeSubject {
			subject = target
		}
	}
	if d.Failed {
		return kept{}, nil, errRecordValue()
	}
	k = kept{value: value, size: len(value)}
	if len(d.B) > 0 {
		k.described = d.B
	}
	return k, subject, nil
}

// artifactType reads no more than it has to.
func (k *kept) artifactType() (string, error) {
	if k.described == nil {
		return string(k.referrer.artifactType), nil
	}
	d := decoder{packed.Decoder{B: k.described}}
	d.Bytes()
	d.Int()
	artifactType := d.Text()
	if d.Failed {
		return "", errRecordValue()
	}
	return artifactType, nil
}

func (s *shelf) decode(manifest []byte, k *kept) (index.Record, error) {
	record := index.Record{Repository: s.repository}
	d := decoder{packed.Decoder{B: k.value}}
	record.Seen = d.Time()
	record.Edges = d.edges()
	if k.described != nil {
		d.description(&record.Manifest)
	} else {
		var err error
		if record.Annotations, err = decodeAnnotations(k.referrer.annotations); err != nil {
			return index.Record{}, err
		}
		record.MediaType = k.referrer.form.mediaType() + string(k.referrer.mediaType)
		record.ArtifactType = string(k.referrer.artifactType)
		record.Size = k.referrer.size
	}
	record.Digest = packed.ExpandDigest(manifest)
	return record, d.End("record")
}
