package packed

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// Encoder appends the parts of a value to B. The first error stays in Err.
type Encoder struct {
	B   []byte
	Err error
}

// Byte appends a byte.
func (e *Encoder) Byte(v byte) { e.B = append(e.B, v) }

// Uint appends a number.
func (e *Encoder) Uint(v uint64) { e.B = binary.AppendUvarint(e.B, v) }

// Int appends a number that may be negative.
func (e *Encoder) Int(v int64) { e.B = binary.AppendVarint(e.B, v) }

// Text appends a string and its length.
func (e *Encoder) Text(v string) { e.Uint(uint64(len(v))); e.B = append(e.B, v...) }

// Bytes appends bytes and their number.
func (e *Encoder) Bytes(v []byte) { e.Uint(uint64(len(v))); e.B = append(e.B, v...) }

// Time keeps every instant that a Time can be, the zero one too.
func (e *Encoder) Time(t time.Time) {
	e.Int(t.Unix())
	e.Int(int64(t.Nanosecond()))
}

// Digest appends the compact form of a digest.
func (e *Encoder) Digest(d digest.Digest) {
	if e.Err != nil {
		return
	}
	if b, err := AppendDigest(e.B, d); err != nil {
		e.Err = err
	} else {
		e.B = b
	}
}

// Decoder takes the parts of a value off the front of B. After the first part
// that isn't there everything is zero and Failed is set; no count is believed
// before the bytes for it are seen.
type Decoder struct {
	B      []byte
	Failed bool
}

// Fail says that the value makes no sense.
func (d *Decoder) Fail() {
	d.Failed = true
	d.B = nil
}

// Byte takes a byte.
func (d *Decoder) Byte() byte {
	if len(d.B) == 0 {
		d.Fail()
		return 0
	}
	v := d.B[0]
	d.B = d.B[1:]
	return v
}

// Uint takes a number.
func (d *Decoder) Uint() uint64 {
	v, n := binary.Uvarint(d.B)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.B = d.B[n:]
	return v
}

// Int takes a number that may be negative.
func (d *Decoder) Int() int64 {
	v, n := binary.Varint(d.B)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.B = d.B[n:]
	return v
}

// Count takes the number of parts that follow, each of one byte at least.
func (d *Decoder) Count() int {
	n := d.Uint()
	if n > uint64(len(d.B)) {
		d.Fail()
		return 0
	}
	return int(n) //nolint:gosec // It is no more than a length.
}

// Bytes returns a part of the value itself, not a copy.
func (d *Decoder) Bytes() []byte {
	n := d.Count()
	v := d.B[:n]
	d.B = d.B[n:]
	return v
}

// Text takes a string.
func (d *Decoder) Text() string { return string(d.Bytes()) }

// Time takes an instant, in UTC.
func (d *Decoder) Time() time.Time {
	seconds, nanos := d.Int(), d.Int()
	if nanos < 0 || nanos >= int64(time.Second) {
		d.Fail()
	}
	if d.Failed {
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

// Compact takes a digest in its compact form, or the byte [AlgorithmNone]: a
// part of the value itself.
func (d *Decoder) Compact() []byte {
	if len(d.B) == 0 {
		d.Fail()
		return nil
	}
	size, known := digestSize(d.B[0])
	if !known || len(d.B) < 1+size {
		d.Fail()
		return nil
	}
	compact := d.B[:1+size]
	d.B = d.B[1+size:]
	return compact
}

// End reports damage of a value: a part that was missing, or bytes left over.
func (d *Decoder) End(what string) error {
	if d.Failed || len(d.B) > 0 {
		return fmt.Errorf("%w: value of a %s", index.ErrDamaged, what)
	}
	return nil
}
