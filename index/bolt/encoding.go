package bolt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// roomForParts bounds what is set aside for a count before its parts are read.
const roomForParts = 64

// encoder appends the parts of a value. The first error stays.
type encoder struct {
	b   []byte
	err error
}

func (e *encoder) byte(v byte)     { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)   { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)     { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) string(v string) { e.uint(uint64(len(v))); e.b = append(e.b, v...) }

// time keeps every instant that a Time can be, the zero one too.
func (e *encoder) time(t time.Time) {
	e.int(t.Unix())
	e.int(int64(t.Nanosecond()))
}

// digest writes the compact form; the empty digest is a byte of its own.
func (e *encoder) digest(d digest.Digest) {
	if e.err != nil {
		return
	}
	if d == "" {
		e.byte(algorithmNone)
		return
	}
	if b, err := appendDigest(e.b, d); err != nil {
		e.err = err
	} else {
		e.b = b
	}
}

// manifest writes what a record has beside its repository and digest. Equal
// manifests are written equally, so that a record pushed again is known.
func (e *encoder) manifest(m index.Manifest, seen time.Time) {
	e.time(seen)
	e.description(m)
	e.edges(m.Edges)
}

// description writes what a descriptor says of a manifest beside its digest.
func (e *encoder) description(m index.Manifest) {
	e.string(m.MediaType)
	e.int(m.Size)
	e.string(m.ArtifactType)
	e.uint(uint64(len(m.Annotations)))
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		e.string(key)
		e.string(m.Annotations[key])
	}
}

func (e *encoder) edges(edges []index.Edge) {
	e.uint(uint64(len(edges)))
	for _, edge := range edges {
		e.byte(byte(edge.Kind))
		e.digest(edge.Target)
		if edge.Target == "" && e.err == nil {
			e.err = fmt.Errorf("%w: %s without a digest", index.ErrInvalid, edge.Kind)
		}
	}
}

// decoder takes the parts of a value off its front. After the first part that
// isn't there everything is zero and failed is set; no count is believed
// before the bytes for it are seen.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) fail() {
	d.failed = true
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the number of parts that follow, each of one byte at least.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n) //nolint:gosec // It is no more than a length.
}

// bytes returns a part of the value itself, not a copy.
func (d *decoder) bytes() []byte {
	n := d.count()
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	seconds, nanos := d.int(), d.int()
	if nanos < 0 || nanos >= int64(time.Second) {
		d.fail()
	}
	if d.failed {
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

func (d *decoder) digest() digest.Digest {
	compact := d.compact()
	if len(compact) <= 1 {
		return ""
	}
	return expandDigest(compact)
}

// compact returns a digest in its compact form, a part of the value itself.
func (d *decoder) compact() []byte {
	if len(d.b) == 0 {
		d.fail()
		return nil
	}
	size, known := digestSize(d.b[0])
	if !known || len(d.b) < 1+size {
		d.fail()
		return nil
	}
	compact := d.b[:1+size]
	d.b = d.b[1+size:]
	return compact
}

func (d *decoder) manifest() (m index.Manifest, seen time.Time) {
	seen = d.time()
	d.description(&m)
	m.Edges = d.edges()
	return m, seen
}

func (d *decoder) description(m *index.Manifest) {
	m.MediaType = d.string()
	m.Size = d.int()
	m.ArtifactType = d.string()
	if n := d.count(); n > 0 {
		m.Annotations = make(map[string]string, min(n, roomForParts))
		for ; n > 0 && !d.failed; n-- {
			key := d.string()
			m.Annotations[key] = d.string()
		}
	}
}

func (d *decoder) edges() (edges []index.Edge) {
	if n := d.count(); n > 0 {
		edges = make([]index.Edge, 0, min(n, roomForParts))
		for ; n > 0 && !d.failed; n-- {
			kind := index.EdgeKind(d.byte())
			edges = append(edges, index.Edge{Kind: kind, Target: d.digest()})
		}
	}
	return edges
}

// end reports damage: a part that was missing, or bytes left over.
func (d *decoder) end(what string) error {
	if d.failed || len(d.b) > 0 {
		return fmt.Errorf("%w: value of a %s", index.ErrDamaged, what)
	}
	return nil
}

func encodeRecord(record index.Record) ([]byte, error) {
	var e encoder
	e.manifest(record.Manifest, record.Seen)
	return e.b, e.err
}

func decodeRecord(repository string, manifest digest.Digest, value []byte) (index.Record, error) {
	d := decoder{b: value}
	record := index.Record{Repository: repository}
	record.Manifest, record.Seen = d.manifest()
	record.Digest = manifest
	return record, d.end("record")
}

// The flags of an intent's value.
const (
	flagContended = 1 << iota
	flagRecorded
)

func encodeIntent(intent index.Intent) ([]byte, error) {
	var flags byte
	if intent.Contended {
		flags |= flagContended
	}
	if intent.Recorded {
		flags |= flagRecorded
	}
	var e encoder
	e.byte(byte(intent.Kind))
	e.byte(flags)
	e.time(intent.Deadline)
	e.string(intent.Tag)
	e.string(intent.Record.Repository)
	e.digest(intent.Record.Digest)
	e.manifest(intent.Record.Manifest, intent.Record.Seen)
	return e.b, e.err
}

func decodeIntent(id index.IntentID, value []byte) (index.Intent, error) {
	d := decoder{b: value}
	intent := index.Intent{ID: id, Kind: index.IntentKind(d.byte())}
	flags := d.byte()
	intent.Contended = flags&flagContended != 0
	intent.Recorded = flags&flagRecorded != 0
	intent.Deadline = d.time()
	intent.Tag = d.string()
	repository, manifest := d.string(), d.digest()
	intent.Record.Manifest, intent.Record.Seen = d.manifest()
	intent.Record.Repository, intent.Record.Digest = repository, manifest
	return intent, d.end("intent")
}
