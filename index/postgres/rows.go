package postgres

import (
	"strconv"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// row is a record as the table of manifests keeps it, in columns.
type row struct {
	digest []byte
	// subject and created are nil where there is no subject.
	subject, created          []byte
	artifactType, shown, kept []byte
}

// encodeRow writes a record. Equal ones are written equally, so that one that
// is pushed again is known. An import's, without a digest, can be written too.
func encodeRow(record index.Record) (row, error) {
	r := row{artifactType: []byte(record.ArtifactType)}
	var err error
	if record.Digest != "" {
		if r.digest, err = compactDigest(record.Digest); err != nil {
			return r, err
		}
	}
	if subject := record.Subject(); subject != "" {
		if r.subject, err = compactDigest(subject); err != nil {
			return r, err
		}
		r.created = []byte(index.Order{By: index.SortCreated}.Key(record.Descriptor(), record.Seen))
	}
	if r.shown, err = encodeShown(record.Manifest); err != nil {
		return r, err
	}
	r.kept, err = encodeKept(record)
	return r, err
}

// checkRecord returns the key of a record that can be kept.
func checkRecord(record index.Record) (matterKey, error) {
	key, err := manifestKey(record.Repository, record.Digest)
	if err != nil {
		return key, err
	}
	_, err = encodeRow(record)
	return key, err
}

// record reads the record of a repository.
func (r row) record(repository string) (index.Record, error) {
	record := index.Record{Repository: repository}
	var err error
	if record.Digest, err = expandDigest(r.digest); err != nil {
		return record, err
	}
	view, err := decodeShown(r.shown)
	if err != nil {
		return record, err
	}
	record.MediaType, record.Size, record.ArtifactType = view.mediaType, view.size, string(r.artifactType)
	if record.Annotations, err = decodeAnnotations(view.annotations); err != nil {
		return record, err
	}
	var edges []index.Edge
	if len(r.subject) > 0 {
		subject, err := expandDigest(r.subject)
		if err != nil {
			return record, err
		}
		edges = append(make([]index.Edge, 0, 4), index.Edge{Kind: index.EdgeSubject, Target: subject})
	}
	record.Seen, record.Edges, err = decodeKept(r.kept, edges)
	return record, err
}

// seen reads when the manifest was first seen.
func (r row) seen() (time.Time, error) {
	seen, _, err := decodeKept(r.kept, nil)
	return seen, err
}

// annotations reads the annotations alone.
func (r row) annotations() (map[string]string, error) {
	view, err := decodeShown(r.shown)
	if err != nil {
		return nil, err
	}
	return decodeAnnotations(view.annotations)
}

// size is what the row takes of a page's bytes.
func (r row) size() int {
	return len(r.digest) + len(r.subject) + len(r.artifactType) + len(r.shown) + len(r.kept)
}

// appendDescriptor appends the descriptor of a row, as
// [oci.Descriptor.Encode] writes it. The annotations are kept as they are
// sent.
func appendDescriptor(b, compact, artifactType, value []byte) ([]byte, error) {
	view, err := decodeShown(value)
	if err != nil {
		return b, err
	}
	b = append(b, `{"mediaType":`...)
	if b, err = appendText(b, view.mediaType); err != nil {
		return b, err
	}
	b = append(b, `,"digest":"`...)
	b = packed.AppendDigestText(b, compact)
	b = append(b, `","size":`...)
	b = strconv.AppendInt(b, view.size, 10)
	if len(artifactType) > 0 {
		b = append(b, `,"artifactType":`...)
		if b, err = appendText(b, string(artifactType)); err != nil {
			return b, err
		}
	}
	if len(view.annotations) > 0 {
		b = append(append(b, `,"annotations":`...), view.annotations...)
	}
	return append(b, '}'), nil
}

// appendText appends a string as JSON. Those of media types are mostly plain.
func appendText(b []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			encoded, err := encodeJSON(text)
			return append(b, encoded...), err
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"'), nil
}
