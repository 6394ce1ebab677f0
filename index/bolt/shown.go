package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/backref/backref/oci"
)

// form says how the entry of a referrer has the media type and the descriptor.
type form byte

// The forms are part of the stored format.
const (
	// formWhole has the descriptor as it is sent.
	formWhole form = 0
	// The others have parts of it: the size, then the JSON of the annotations.
	formImageManifest form = 1
	formImageIndex    form = 2
	// formMediaType has the media type before them.
	formMediaType form = 3
)

// mediaType returns the media type where it is known by the form.
func (f form) mediaType() string {
	switch f {
	case formImageManifest:
		return oci.MediaTypeImageManifest
	case formImageIndex:
		return oci.MediaTypeImageIndex
	default:
		return ""
	}
}

func formOf(mediaType string) form {
	switch mediaType {
	case oci.MediaTypeImageManifest:
		return formImageManifest
	case oci.MediaTypeImageIndex:
		return formImageIndex
	default:
		return formMediaType
	}
}

// referrer is an entry of a listing in the memory of the transaction. The
// types stand in the descriptor as they are: neither needs an escape.
type referrer struct {
	artifactType []byte
	form         form
	// mediaType is nil where the form says it.
	mediaType []byte
	size      int64
	// annotations are the JSON of them, with the braces; nil where there are
	// none.
	annotations []byte
	// whole is the descriptor, nil where it is put together of the parts.
	whole []byte
}

// encodeReferrer writes an entry of a listing so that it can be filtered and
// sent without being parsed: the artifact type, the form, and what it says.
// It is whole where its parts would say something else than the record.
func encodeReferrer(record index.Record) (value []byte, whole bool, err error) {
	descriptor, err := record.Descriptor().Encode()
	if err != nil {
		return nil, false, err
	}
	var e encoder
	e.Text(record.ArtifactType)
	r, exact := partsOf(record, descriptor)
	if !exact {
		e.Byte(byte(formWhole))
		return append(e.B, descriptor...), true, e.Err
	}
	e.Byte(byte(r.form))
	if r.form == formMediaType {
		e.Text(record.MediaType)
	}
	e.Int(record.Size)
	return append(e.B, r.annotations...), false, e.Err
}

// partsOf takes a descriptor apart, and reports whether putting the parts
// together gives it, and reading them the record.
func partsOf(record index.Record, descriptor []byte) (r referrer, exact bool) {
	r = referrer{artifactType: []byte(record.ArtifactType), form: formOf(record.MediaType), size: record.Size}
	if r.form == formMediaType {
		r.mediaType = []byte(record.MediaType)
	}
	plain := r.appendDescriptor(nil, string(record.Digest))
	rest, exact := bytes.CutPrefix(descriptor, plain[:len(plain)-1])
	if !exact {
		return r, false
	}
	if len(rest) > 1 {
		if !bytes.HasPrefix(rest, []byte(annotationsField)) {
			return r, false
		}
		r.annotations = rest[annotationsAt : len(rest)-1]
	}
	annotations, err := decodeAnnotations(r.annotations)
	return r, err == nil && maps.Equal(annotations, record.Annotations)
}

// cutReferrer reads an entry of a listing. Its parts are those of the value
// itself, not copies.
func cutReferrer(value []byte) (referrer, error) {
	d := decoder{packed.Decoder{B: value}}
	r := referrer{artifactType: d.Bytes()}
	switch r.form = form(d.Byte()); r.form {
	case formWhole:
		r.whole = d.B
		if at := bytes.Index(r.whole, []byte(annotationsField)); at >= 0 {
			r.annotations = r.whole[at+annotationsAt : len(r.whole)-1]
		}
		d.Failed = d.Failed || len(r.whole) == 0
	case formImageManifest, formImageIndex:
		r.size, r.annotations = d.Int(), d.B
	case formMediaType:
		r.mediaType = d.Bytes()
		r.size, r.annotations = d.Int(), d.B
	default:
		d.Fail()
	}
	if d.Failed {
		return referrer{}, fmt.Errorf("%w: value of a referrer", index.ErrDamaged)
	}
	return r, nil
}

// The parts of a descriptor that are the same in all.
const (
	mediaTypeField    = `{"mediaType":"`
	digestField       = `","digest":"`
	sizeField         = `","size":`
	artifactTypeField = `,"artifactType":"`
	// annotationsField begins the annotations, the last field.
	annotationsField = `,"annotations":{`
	// annotationsAt is where their brace is.
	annotationsAt = len(annotationsField) - 1
)

// descriptorSize is the length of what appendDescriptor appends.
func (r *referrer) descriptorSize(digestText int) int {
	if r.whole != nil {
		return len(r.whole)
	}
	var digits [len("-9223372036854775808")]byte
	size := len(mediaTypeField) + len(r.form.mediaType()) + len(r.mediaType) + len(digestField) + digestText +
		len(sizeField) + len(strconv.AppendInt(digits[:0], r.size, 10)) + len("}")
	if len(r.artifactType) > 0 {
		size += len(artifactTypeField) + len(r.artifactType) + len(`"`)
	}
	if len(r.annotations) > 0 {
		size += annotationsAt + len(r.annotations)
	}
	return size
}

// appendDescriptor appends the descriptor as [oci.Descriptor.Encode] writes
// it. It copies and encodes nothing.
func (r *referrer) appendDescriptor(b []byte, digestText string) []byte {
	if r.whole != nil {
		return append(b, r.whole...)
	}
	b = append(append(b, mediaTypeField...), r.form.mediaType()...)
	b = append(b, r.mediaType...)
	b = append(append(b, digestField...), digestText...)
	b = strconv.AppendInt(append(b, sizeField...), r.size, 10)
	if len(r.artifactType) > 0 {
		b = append(append(b, artifactTypeField...), r.artifactType...)
		b = append(b, '"')
	}
	if len(r.annotations) > 0 {
		b = append(append(b, annotationsField[:annotationsAt]...), r.annotations...)
	}
	return append(b, '}')
}

// decodeAnnotations reads annotations as a descriptor has them.
func decodeAnnotations(encoded []byte) (map[string]string, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	annotations := make(map[string]string)
	for rest := encoded; ; {
		// In front of a key is the brace or a comma, behind it a colon.
		key, behind, err := cutText(rest[1:])
		if err != nil || len(behind) == 0 || behind[0] != ':' {
			return nil, errDescriptor()
		}
		value, behind, err := cutText(behind[1:])
		if err != nil || len(behind) == 0 {
			return nil, errDescriptor()
		}
		annotations[key] = value
		if rest = behind; rest[0] == '}' && len(rest) == 1 {
			return annotations, nil
		}
		if rest[0] != ',' {
			return nil, errDescriptor()
		}
	}
}

// cutText cuts the string of JSON off that b begins with.
func cutText(b []byte) (text string, rest []byte, err error) {
	if len(b) == 0 || b[0] != '"' {
		return "", nil, errDescriptor()
	}
	escaped := false
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			if !escaped {
				return string(b[1:i]), b[i+1:], nil
			}
			text, err := unescape(b[:i+1])
			return text, b[i+1:], err
		}
	}
	return "", nil, errDescriptor()
}

// unescape is apart, so that only a text with escapes is set aside memory for.
func unescape(b []byte) (text string, err error) {
	if err := json.Unmarshal(b, &text); err != nil {
		return "", fmt.Errorf("%w: %w", errDescriptor(), err)
	}
	return text, nil
}

func errDescriptor() error {
	return fmt.Errorf("%w: descriptor of a referrer", index.ErrDamaged)
}
