package bolt

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// sieve applies the filters of a query to encoded entries. Of a descriptor it
// decodes no more than the annotations that it asks for.
type sieve struct {
	query index.Query
	// keys are those of the query's annotation filters, and version that of the
	// version, as a descriptor has them.
	keys    [][]byte
	version []byte

	// lastType and lastTaken are the last answer of takesType: neighbours
	// mostly have the same type.
	lastType  []byte
	lastTaken bool
}

func newSieve(query index.Query) *sieve {
	s := &sieve{query: query, lastTaken: query.MatchesType("")}
	for _, filter := range query.Annotations {
		s.keys = append(s.keys, encodeKey(filter.Key()))
	}
	s.version = encodeKey(index.AnnotationVersion)
	return s
}

// encodeKey encodes the key of an annotation as it stands in a descriptor.
func encodeKey(key string) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(key) // A string always can be.
	return append(bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), ':')
}

// takesType reports whether the filters let an artifact type through.
func (s *sieve) takesType(artifactType []byte) bool {
	if len(s.query.ArtifactTypes) == 0 {
		return true
	}
	if !bytes.Equal(artifactType, s.lastType) {
		s.lastType, s.lastTaken = artifactType, s.query.MatchesType(string(artifactType))
	}
	return s.lastTaken
}

// takesAnnotations reports whether the filters let the annotations of a
// descriptor through, which are encoded.
func (s *sieve) takesAnnotations(annotations []byte) (bool, error) {
	for i, filter := range s.query.Annotations {
		value, given, err := annotation(annotations, s.keys[i])
		if err != nil || !given || !filter.MatchesValue(value) {
			return false, err
		}
	}
	return true, nil
}

// sortKey returns the key by which an entry is ordered, where that is not when
// it was created.
func (s *sieve) sortKey(e entry) (string, error) {
	d := oci.Descriptor{ArtifactType: string(e.referrer.artifactType)}
	if s.query.Order.By == index.SortVersion {
		version, given, err := annotation(e.referrer.annotations, s.version)
		if err != nil {
			return "", err
		}
		if given {
			d.Annotations = map[string]string{index.AnnotationVersion: version}
		}
	}
	return s.query.Order.Key(d, time.Time{}), nil
}

// annotation finds one annotation of a descriptor that was encoded by
// [oci.Descriptor.Encode], by searching for its encoded key in the JSON of
// all of them.
//
// A quote within a string has a backslash in front. So the quote that a key
// begins with, behind a comma or brace, is one that begins a string of the
// annotations, and that is then a key; or it ends one whose last letter is that
// comma or brace, and what is behind it is punctuation. A key that begins with
// punctuation is therefore not searched for.
func annotation(annotations, key []byte) (value string, given bool, err error) {
	if bytes.IndexByte([]byte(",:}"), key[1]) >= 0 {
		return decodedAnnotation(annotations, key)
	}
	for rest := annotations; ; {
		at := bytes.Index(rest, key)
		if at <= 0 {
			return "", false, nil
		}
		before := rest[at-1]
		rest = rest[at+len(key):]
		if before == ',' || before == '{' {
			value, _, err = cutText(rest)
			return value, true, err
		}
	}
}

// decodedAnnotation finds one annotation among all that are decoded.
func decodedAnnotation(encoded, key []byte) (value string, given bool, err error) {
	annotations, err := decodeAnnotations(encoded)
	if err != nil {
		return "", false, err
	}
	name, _, err := cutText(key)
	if err != nil {
		return "", false, err
	}
	value, given = annotations[name]
	return value, given, nil
}
