package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
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
func (e *encoder) bytes(v []byte)  { e.uint(uint64(len(v))); e.b = append(e.b, v...) }

// time keeps every instant that a Time can be, the zero one too.
func (e *encoder) time(t time.Time) {
	e.int(t.Unix())
	e.int(int64(t.Nanosecond()))
}

func (e *encoder) digest(d digest.Digest) {
	if e.err == nil {
		e.b, e.err = appendDigest(e.b, d)
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

// digest reads a compact digest.
func (d *decoder) digest() digest.Digest {
	if len(d.b) == 0 {
		d.fail()
		return ""
	}
	size, known := digestSize(d.b[0])
	if !known || len(d.b) < 1+size {
		d.fail()
		return ""
	}
	text, err := expandDigest(d.b[:1+size])
	if err != nil {
		d.fail()
		return ""
	}
	d.b = d.b[1+size:]
	return text
}

// end reports damage: a part that was missing, or bytes left over.
func (d *decoder) end(what string) error {
	if d.failed || len(d.b) > 0 {
		return fmt.Errorf("%w: value of a %s", index.ErrDamaged, what)
	}
	return nil
}

// mediaTypes are those that are kept as a number, from 1 on. They are part of
// the stored format; 0 stands before any other.
func mediaTypes() [4]string {
	return [4]string{index.MediaTypeImageManifest, index.MediaTypeImageIndex, index.MediaTypeDockerImage, index.MediaTypeDockerList}
}

func (e *encoder) mediaType(mediaType string) {
	for i, known := range mediaTypes() {
		if known == mediaType {
			e.byte(byte(i + 1))
			return
		}
	}
	e.byte(0)
	e.string(mediaType)
}

func (d *decoder) mediaType() string {
	number := int(d.byte())
	known := mediaTypes()
	switch {
	case number == 0:
		return string(d.bytes())
	case number > len(known):
		d.fail()
		return ""
	default:
		return known[number-1]
	}
}

// encodeShown writes what a listing shows beside the digest and the artifact
// type: media type, size, and up to the end the annotations as JSON.
func encodeShown(m index.Manifest) ([]byte, error) {
	var e encoder
	e.mediaType(m.MediaType)
	e.int(m.Size)
	if len(m.Annotations) == 0 {
		return e.b, nil
	}
	annotations, err := encodeJSON(m.Annotations)
	return append(e.b, annotations...), err
}

// shown is what [encodeShown] wrote.
type shown struct {
	mediaType   string
	size        int64
	annotations []byte
}

func decodeShown(value []byte) (shown, error) {
	d := decoder{b: value}
	s := shown{mediaType: d.mediaType(), size: d.int()}
	s.annotations = d.b
	if d.failed {
		return s, fmt.Errorf("%w: what a record shows", index.ErrDamaged)
	}
	return s, nil
}

func decodeAnnotations(encoded []byte) (map[string]string, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	var annotations map[string]string
	if err := json.Unmarshal(encoded, &annotations); err != nil {
		return nil, fmt.Errorf("%w: annotations of a record: %w", index.ErrDamaged, err)
	}
	return annotations, nil
}

// encodeKept writes what no listing shows: when a manifest was first seen, and
// its edges but for the subject.
func encodeKept(record index.Record) ([]byte, error) {
	var e encoder
	e.time(record.Seen)
	for _, edge := range furtherEdges(record.Manifest) {
		e.byte(byte(edge.Kind))
		e.digest(edge.Target)
	}
	return e.b, e.err
}

// furtherEdges are those beside the subject.
func furtherEdges(m index.Manifest) []index.Edge {
	if m.Subject() != "" {
		return m.Edges[1:]
	}
	return m.Edges
}

// decodeKept reads what encodeKept wrote, behind the edge of the subject where
// there is one.
func decodeKept(value []byte, edges []index.Edge) (seen time.Time, all []index.Edge, err error) {
	d := decoder{b: value}
	seen = d.time()
	for len(d.b) > 0 && !d.failed {
		kind := index.EdgeKind(d.byte())
		edges = append(edges, index.Edge{Kind: kind, Target: d.digest()})
	}
	return seen, edges, d.end("record")
}

// encodeJSON writes a value as [index.Descriptor.Encode] writes its parts.
func encodeJSON(v any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// The flags of an intent's value.
const (
	flagContended = 1 << iota
	flagRecorded
)

// encodeIntent writes what an intent has beside its kind, repository and what
// it is about. A delete and an import have no record.
func encodeIntent(intent index.Intent) ([]byte, error) {
	var flags byte
	if intent.Contended {
		flags |= flagContended
	}
	if intent.Recorded {
		flags |= flagRecorded
	}
	var e encoder
	e.byte(flags)
	e.time(intent.Deadline)
	e.string(intent.Tag)
	r, err := encodeRow(intent.Record)
	if err != nil {
		return nil, err
	}
	e.bytes(r.subject)
	e.bytes(r.artifactType)
	e.bytes(r.shown)
	e.bytes(r.kept)
	return e.b, e.err
}

func decodeIntent(id index.IntentID, kind index.IntentKind, key matterKey, value []byte) (index.Intent, error) {
	d := decoder{b: value}
	flags := d.byte()
	intent := index.Intent{
		ID: id, Kind: kind, Contended: flags&flagContended != 0, Recorded: flags&flagRecorded != 0,
		Deadline: d.time(), Tag: string(d.bytes()),
	}
	r := row{subject: d.bytes(), artifactType: d.bytes(), shown: d.bytes(), kept: d.bytes()}
	if err := d.end("intent"); err != nil {
		return intent, err
	}
	if kind == index.IntentImport {
		intent.Record.Repository = key.repository
		return intent, nil
	}
	r.digest = []byte(key.about)
	var err error
	intent.Record, err = r.record(key.repository)
	return intent, err
}
