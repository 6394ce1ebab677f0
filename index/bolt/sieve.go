package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backref/backref/index"
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
// descriptor through.
func (s *sieve) takesAnnotations(descriptor []byte) (bool, error) {
	for i, filter := range s.query.Annotations {
		value, given, err := annotation(descriptor, s.keys[i])
		if err != nil || !given || !filter.MatchesValue(value) {
			return false, err
		}
	}
	return true, nil
}

// sortKey returns the key by which an entry is ordered, where that is not when
// it was created.
func (s *sieve) sortKey(e entry) (string, error) {
	d := index.Descriptor{ArtifactType: string(e.artifactType)}
	if s.query.Order.By == index.SortVersion {
		version, given, err := annotation(e.descriptor, s.version)
		if err != nil {
			return "", err
		}
		if given {
			d.Annotations = map[string]string{index.AnnotationVersion: version}
		}
	}
	return s.query.Order.Key(d, time.Time{}), nil
}

// annotationsField begins the annotations of a descriptor, its last field.
const annotationsField = `,"annotations":{`

// annotation finds one annotation of a descriptor that was encoded by
// [index.Descriptor.Encode], by searching for its encoded key.
//
// A quote within a string has a backslash in front. So the quote that a key
// begins with, behind a comma or brace, is one that begins a string of the
// descriptor, and that is then a key; or it ends one whose last letter is that
// comma or brace, and what is behind it is punctuation. A key that begins with
// punctuation is therefore not searched for.
func annotation(descriptor, key []byte) (value string, given bool, err error) {
	at := bytes.Index(descriptor, []byte(annotationsField))
	if at < 0 {
		return "", false, nil
	}
	rest := descriptor[at+len(annotationsField)-1:]
	if bytes.IndexByte([]byte(",:}"), key[1]) >= 0 {
		return decodedAnnotation(rest, key)
	}
	for {
		at := bytes.Index(rest, key)
		if at <= 0 {
			return "", false, nil
		}
		before := rest[at-1]
		rest = rest[at+len(key):]
		if before == ',' || before == '{' {
			break
		}
	}
	value, err = cutText(rest)
	return value, true, err
}

// decodedAnnotation finds one annotation among those that the end of a
// descriptor encodes.
func decodedAnnotation(end, key []byte) (value string, given bool, err error) {
	var annotations map[string]string
	if err := json.NewDecoder(bytes.NewReader(end)).Decode(&annotations); err != nil {
		return "", false, fmt.Errorf("%w: descriptor of a referrer: %w", index.ErrDamaged, err)
	}
	name, err := cutText(key)
	if err != nil {
		return "", false, err
	}
	value, given = annotations[name]
	return value, given, nil
}

// cutText decodes the string of JSON that b begins with.
func cutText(b []byte) (string, error) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			if text := b[1:i]; bytes.IndexByte(text, '\\') < 0 {
				return string(text), nil
			}
			var text string
			if err := json.Unmarshal(b[:i+1], &text); err != nil {
				return "", fmt.Errorf("%w: descriptor of a referrer: %w", index.ErrDamaged, err)
			}
			return text, nil
		}
	}
	return "", fmt.Errorf("%w: descriptor of a referrer", index.ErrDamaged)
}
