package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/backref/backref/strictjson"
)

// decode reads a text that is known to be JSON into T. What has another type than
// T expects is left out. Where the names that T interprets can be read in more
// than one way, that is noted, and the last of a name counts.
func decode[T any](r *reader, body []byte) T {
	var value T
	if err := strictjson.Check(body, r.shape(reflect.TypeFor[T]()), strictjson.Bound{}); errors.Is(err, strictjson.ErrAmbiguous) {
		r.doubt(err.Error())
	}
	// All that can be wrong with valid JSON is the type of a value.
	_ = json.Unmarshal(body, &value)
	return value
}

// shape returns the names that a type interprets. It is made once for a document.
func (r *reader) shape(t reflect.Type) *strictjson.Shape {
	shape, made := r.shapes[t]
	if !made {
		if r.shapes == nil {
			r.shapes = map[reflect.Type]*strictjson.Shape{}
		}
		shape = shapeOf(t)
		r.shapes[t] = shape
	}
	return shape
}

// shapeOf returns the names that a type interprets.
func shapeOf(t reflect.Type) *strictjson.Shape {
	if l, is := reflect.Zero(t).Interface().(interface{ element() reflect.Type }); is {
		return shapeOf(l.element())
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return shapeOf(t.Elem())
	case reflect.Map:
		return &strictjson.Shape{Every: true}
	case reflect.Struct:
		shape := &strictjson.Shape{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			shape.Fields = append(shape.Fields, strictjson.Field{Name: name, Shape: shapeOf(t.Field(i).Type)})
		}
		return shape
	default:
		return nil
	}
}

// list is an array of which [MaxEntries] are kept. It counts the others, so that
// their number costs no memory.
type list[E any] struct {
	kept  []E
	total int
}

// UnmarshalJSON implements [json.Unmarshaler]. What is no array has no elements.
func (l *list[E]) UnmarshalJSON(raw []byte) error {
	l.kept, l.total = elements[E](raw, MaxEntries)
	return nil
}

func (list[E]) element() reflect.Type { return reflect.TypeFor[E]() }

// few is an array, within an entry, of which [MaxFew] are kept.
type few[E any] struct {
	kept []E
	more bool
}

// UnmarshalJSON implements [json.Unmarshaler]. What is no array has no elements.
func (f *few[E]) UnmarshalJSON(raw []byte) error {
	var total int
	f.kept, total = elements[E](raw, MaxFew)
	f.more = total > len(f.kept)
	return nil
}

func (few[E]) element() reflect.Type { return reflect.TypeFor[E]() }

// in returns the elements, and has the reader note whether there are more.
func (f few[E]) in(r *reader) []E {
	if f.more {
		r.cut(fmt.Sprintf("of some lists within entries the first %d are kept", MaxFew))
	}
	return f.kept
}

// add adds an element where there is room.
func (f *few[E]) add(element E) {
	if f.more = len(f.kept) >= MaxFew; !f.more {
		f.kept = append(f.kept, element)
	}
}

// later is an array within one of many entries, whose elements are read when their
// turn comes: all at once would be many times as large as the document.
type later[E any] struct{ raw json.RawMessage }

// UnmarshalJSON implements [json.Unmarshaler].
func (l *later[E]) UnmarshalJSON(raw []byte) error {
	l.raw = bytes.Clone(raw)
	return nil
}

func (later[E]) element() reflect.Type { return reflect.TypeFor[E]() }

// read returns the elements.
func (l later[E]) read() list[E] {
	kept, total := elements[E](l.raw, MaxEntries)
	return list[E]{kept, total}
}

// elements reads the elements of an array that is known to be JSON, keeps the first
// ones, and counts all. A decoder of the standard library would copy each array.
func elements[E any](raw []byte, most int) (kept []E, total int) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '[' {
		return nil, 0
	}
	depth, start := 0, 1
	for at := 1; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			at = stringEnd(raw, at) - 1
			continue
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth >= 0 {
				continue
			}
		case ',':
			if depth > 0 {
				continue
			}
		default:
			continue
		}
		// The end of an element, or of the array.
		if element := bytes.TrimSpace(raw[start:at]); len(element) > 0 {
			if total++; total <= most {
				kept = append(kept, oneOf[E](element))
			}
		}
		start = at + 1
	}
	return kept, total
}

// oneOf reads one element. What has another type is left out.
func oneOf[E any](raw []byte) E {
	var element E
	_ = json.Unmarshal(raw, &element)
	return element
}

// skipped is a value that is not looked at.
type skipped struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// digests are hashes by their algorithm.
type digests map[string]string

// clipped returns the first of them, with short texts.
func (d digests) clipped(r *reader) map[string]string {
	if len(d) == 0 {
		return nil
	}
	short := map[string]string{}
	names := slices.Sorted(maps.Keys(d))
	r.all("digests of a thing", min(len(names), MaxFew), len(names))
	for _, algorithm := range names[:min(len(names), MaxFew)] {
		short[clip(algorithm)] = clip(d[algorithm])
	}
	return short
}

// loose is a text, or a number as a text: protocol buffers write large numbers
// either way.
type loose string

// UnmarshalJSON implements [json.Unmarshaler]. What is neither is empty.
func (l *loose) UnmarshalJSON(raw []byte) error {
	var text string
	var number json.Number
	switch {
	case json.Unmarshal(raw, &text) == nil:
		*l = loose(text)
	case json.Unmarshal(raw, &number) == nil:
		*l = loose(number)
	}
	return nil
}
