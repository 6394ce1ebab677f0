package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

// encoder writes what is kept of records and intents.
type encoder struct{ packed.Encoder }

// decoder reads that.
type decoder struct{ packed.Decoder }

// digest reads a digest; no value has a none one.
func (d *decoder) digest() digest.Digest {
	compact := d.Compact()
	if len(compact) <= 1 {
		d.Fail()
		return ""
	}
	return packed.ExpandDigest(compact)
}

// mediaTypes are those that are kept as a number, from 1 on. They are part of
// the stored format; 0 stands before any other.
func mediaTypes() [4]string {
	return [4]string{oci.MediaTypeImageManifest, oci.MediaTypeImageIndex, oci.MediaTypeDockerImage, oci.MediaTypeDockerList}
}

func (e *encoder) mediaType(mediaType string) {
	for i, known := range mediaTypes() {
		if known == mediaType {
			e.Byte(byte(i + 1))
			return
		}
	}
	e.Byte(0)
	e.Text(mediaType)
}

func (d *decoder) mediaType() string {
	number := int(d.Byte())
	known := mediaTypes()
	switch {
	case number == 0:
		return string(d.Bytes())
	case number > len(known):
		d.Fail()
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
	e.Int(m.Size)
	if len(m.Annotations) == 0 {
		return e.B, nil
	}
	annotations, err := encodeJSON(m.Annotations)
	return append(e.B, annotations...), err
}

// shown is what [encodeShown] wrote.
type shown struct {
	mediaType   string
	size        int64
	annotations []byte
}

func decodeShown(value []byte) (shown, error) {
	d := decoder{packed.Decoder{B: value}}
	s := shown{mediaType: d.mediaType(), size: d.Int()}
	s.annotations = d.B
	if d.Failed {
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
	e.Time(record.Seen)
	for _, edge := range furtherEdges(record.Manifest) {
		e.Byte(byte(edge.Kind))
		e.Digest(edge.Target)
	}
	return e.B, e.Err
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
	d := decoder{packed.Decoder{B: value}}
	seen = d.Time()
	for len(d.B) > 0 && !d.Failed {
		kind := index.EdgeKind(d.Byte())
		edges = append(edges, index.Edge{Kind: kind, Target: d.digest()})
	}
	return seen, edges, d.End("record")
}

// encodeJSON writes a value as [oci.Descriptor.Encode] writes its parts.
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
	e.Byte(flags)
	e.Time(intent.Deadline)
	e.Text(intent.Tag)
	r, err := encodeRow(intent.Record)
	if err != nil {
		return nil, err
	}
	e.Bytes(r.subject)
	e.Bytes(r.artifactType)
	e.Bytes(r.shown)
	e.Bytes(r.kept)
	return e.B, e.Err
}

func decodeIntent(id index.IntentID, kind index.IntentKind, key matterKey, value []byte, replaces [][]byte) (index.Intent, error) {
	d := decoder{packed.Decoder{B: value}}
	flags := d.Byte()
	intent := index.Intent{
		ID: id, Kind: kind, Contended: flags&flagContended != 0, Recorded: flags&flagRecorded != 0,
		Deadline: d.Time(), Tag: string(d.Bytes()),
	}
	r := row{subject: d.Bytes(), artifactType: d.Bytes(), shown: d.Bytes(), kept: d.Bytes()}
	if err := d.End("intent"); err != nil {
		return intent, err
	}
	if kind == index.IntentImport {
		intent.Record.Repository = key.repository
		return intent, nil
	}
	r.digest = []byte(key.about)
	var err error
	if intent.Replaces, err = expandReplaced(replaces); err != nil {
		return intent, err
	}
	intent.Record, err = r.record(key.repository)
	return intent, err
}
