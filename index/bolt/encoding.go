package bolt

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
)

// roomForParts bounds what is set aside for a count before its parts are read.
const roomForParts = 64

// encoder writes what is kept of records and intents.
type encoder struct{ packed.Encoder }

// digest writes the compact form; the empty digest is a byte of its own.
func (e *encoder) digest(d digest.Digest) {
	if d == "" {
		e.Byte(packed.AlgorithmNone)
		return
	}
	e.Digest(d)
}

// manifest writes what a record has beside its repository and digest. Equal
// manifests are written equally, so that a record pushed again is known.
func (e *encoder) manifest(m index.Manifest, seen time.Time) {
	e.Time(seen)
	e.description(m)
	e.edges(m.Edges)
}

// description writes what a descriptor says of a manifest beside its digest.
func (e *encoder) description(m index.Manifest) {
	e.Text(m.MediaType)
	e.Int(m.Size)
	e.Text(m.ArtifactType)
	e.Uint(uint64(len(m.Annotations)))
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		e.Text(key)
		e.Text(m.Annotations[key])
	}
}

func (e *encoder) edges(edges []index.Edge) {
	e.Uint(uint64(len(edges)))
	for _, edge := range edges {
		e.Byte(byte(edge.Kind))
		e.digest(edge.Target)
		if edge.Target == "" && e.Err == nil {
			e.Err = fmt.Errorf("%w: %s without a digest", index.ErrInvalid, edge.Kind)
		}
	}
}

// decoder reads that.
type decoder struct{ packed.Decoder }

func (d *decoder) digest() digest.Digest {
	compact := d.Compact()
	if len(compact) <= 1 {
		return ""
	}
	return packed.ExpandDigest(compact)
}

func (d *decoder) manifest() (m index.Manifest, seen time.Time) {
	seen = d.Time()
	d.description(&m)
	m.Edges = d.edges()
	return m, seen
}

func (d *decoder) description(m *index.Manifest) {
	m.MediaType = d.Text()
	m.Size = d.Int()
	m.ArtifactType = d.Text()
	if n := d.Count(); n > 0 {
		m.Annotations = make(map[string]string, min(n, roomForParts))
		for ; n > 0 && !d.Failed; n-- {
			key := d.Text()
			m.Annotations[key] = d.Text()
		}
	}
}

func (d *decoder) edges() (edges []index.Edge) {
	if n := d.Count(); n > 0 {
		edges = make([]index.Edge, 0, min(n, roomForParts))
		for ; n > 0 && !d.Failed; n-- {
			kind := index.EdgeKind(d.Byte())
			edges = append(edges, index.Edge{Kind: kind, Target: d.digest()})
		}
	}
	return edges
}

func encodeRecord(record index.Record) ([]byte, error) {
	var e encoder
	e.manifest(record.Manifest, record.Seen)
	return e.B, e.Err
}

func decodeRecord(repository string, manifest digest.Digest, value []byte) (index.Record, error) {
	d := decoder{packed.Decoder{B: value}}
	record := index.Record{Repository: repository}
	record.Manifest, record.Seen = d.manifest()
	record.Digest = manifest
	return record, d.End("record")
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
	e.Byte(byte(intent.Kind))
	e.Byte(flags)
	e.Time(intent.Deadline)
	e.Text(intent.Tag)
	e.Text(intent.Record.Repository)
	e.digest(intent.Record.Digest)
	e.manifest(intent.Record.Manifest, intent.Record.Seen)
	return e.B, e.Err
}

func decodeIntent(id index.IntentID, value []byte) (index.Intent, error) {
	d := decoder{packed.Decoder{B: value}}
	intent := index.Intent{ID: id, Kind: index.IntentKind(d.Byte())}
	flags := d.Byte()
	intent.Contended = flags&flagContended != 0
	intent.Recorded = flags&flagRecorded != 0
	intent.Deadline = d.Time()
	intent.Tag = d.Text()
	repository, manifest := d.Text(), d.digest()
	intent.Record.Manifest, intent.Record.Seen = d.manifest()
	intent.Record.Repository, intent.Record.Digest = repository, manifest
	return intent, d.End("intent")
}
