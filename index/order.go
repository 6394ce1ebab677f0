package index

import (
	"cmp"
	"encoding/base64"
	"strings"
	"time"

	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

// Annotations that order entries (image-spec, "Pre-Defined Annotation Keys").
const (
	AnnotationCreated = "org.opencontainers.image.created"
	AnnotationVersion = "org.opencontainers.image.version"
)

// SortKey says by what entries are ordered.
type SortKey uint8

// The sort keys.
const (
	// SortDigest is by the digest alone.
	SortDigest SortKey = iota
	// SortCreated is by [AnnotationCreated] where that is a time of RFC 3339,
	// else by when the index first saw the manifest.
	SortCreated
	// SortArtifactType is by the bytes of the artifact type.
	SortArtifactType
	// SortVersion is by [AnnotationVersion] as a semantic version.
	SortVersion
)

// String returns the key as the grammar spells it.
func (k SortKey) String() string {
	switch k {
	case SortCreated:
		return "created"
	case SortArtifactType:
		return "artifactType"
	case SortVersion:
		return "version"
	default:
		return "digest"
	}
}

// Order is an order of entries. Those that are equal by the key are ordered by
// their digests, so that an order is total and stays the same; Descending turns
// both round. Those that don't have the key come last in either direction.
type Order struct {
	By         SortKey
	Descending bool
}

// String returns the order as the grammar spells it.
func (o Order) String() string {
	if o.Descending {
		return "-" + o.By.String()
	}
	return o.By.String()
}

// ParseOrder reads the value of the parameter sort; empty is by digest. The
// error is a [*QueryError].
func ParseOrder(text string) (Order, error) {
	name, descending := strings.CutPrefix(text, "-")
	if text == "" {
		return Order{}, nil
	}
	for _, by := range []SortKey{SortDigest, SortCreated, SortArtifactType, SortVersion} {
		if by.String() == name {
			return Order{by, descending}, nil
		}
	}
	return Order{}, &QueryError{ParamSort, "need created, digest, artifactType or version, with a - in front for descending"}
}

// maxKey bounds the keys by which entries are ordered. What is cut off longer
// ones doesn't count, so that no entry can make a cursor that is too long.
const maxKey = 256

// Key returns the bytes by which an entry is ordered before its digest; empty
// where it has none. The keys of an order compare as strings.
func (o Order) Key(d oci.Descriptor, seen time.Time) string {
	switch o.By {
	case SortCreated:
		return createdKey(d, seen)
	case SortArtifactType:
		return d.ArtifactType[:min(len(d.ArtifactType), maxKey)]
	case SortVersion:
		key, _ := versionKey(d.Annotations[AnnotationVersion])
		return key[:min(len(key), maxKey)]
	default:
		return ""
	}
}

func createdKey(d oci.Descriptor, seen time.Time) string {
	if created, ok := Created(d.Annotations); ok {
		return timeKey(created)
	}
	return timeKey(seen)
}

// Created returns the time in [AnnotationCreated], where there is a valid one.
func Created(annotations map[string]string) (time.Time, bool) {
	text, given := annotations[AnnotationCreated]
	if !given {
		return time.Time{}, false
	}
	created, err := time.Parse(time.RFC3339, text)
	return created, err == nil
}

// Cursor returns the place of an entry in the order.
func (o Order) Cursor(d oci.Descriptor, seen time.Time) Cursor {
	return Cursor{Key: o.Key(d, seen), Digest: d.Digest}
}

// Compare tells which of two places comes first.
func (o Order) Compare(a, b Cursor) int {
	if (a.Key == "") != (b.Key == "") {
		if a.Key == "" {
			return 1
		}
		return -1
	}
	c := cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(string(a.Digest), string(b.Digest)))
	if o.Descending {
		return -c
	}
	return c
}

// Cursor is a place in an order. It stays right while entries come and go,
// because it need not be that of an entry that is there.
type Cursor struct {
	Key    string
	Digest digest.Digest
}

// IsZero reports whether c is the place before all others.
func (c Cursor) IsZero() bool {
	return c == Cursor{}
}

// cursorVersion begins every cursor.
const cursorVersion = "1"

// Encode returns the form in which clients carry a cursor. The scope is what
// the listing is ordered by; elsewhere the cursor has no meaning.
func (c Cursor) Encode(scope string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(
		cursorVersion + " " + scope + " " + c.Digest.String() + " " + c.Key))
}

// ParseCursor reads what [Cursor.Encode] wrote for the same scope. The error is
// a [*QueryError].
func ParseCursor(text, scope string) (Cursor, error) {
	of, c, err := decodeCursor(text)
	if err == nil && of != scope {
		err = unusableCursor()
	}
	if err != nil {
		return Cursor{}, err
	}
	return c, nil
}

// cursorOrder returns the order of the listing that a cursor is of, whatever
// is usual there by now.
func cursorOrder(text string) (Order, error) {
	scope, _, err := decodeCursor(text)
	if err != nil {
		return Order{}, err
	}
	order, err := ParseOrder(scope)
	if err != nil || scope == "" {
		return Order{}, unusableCursor()
	}
	return order, nil
}

func unusableCursor() error {
	return &QueryError{ParamLast, "not a value that a Link of this listing gave in this order; begin without it"}
}

func decodeCursor(text string) (scope string, c Cursor, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return "", c, unusableCursor()
	}
	const parts = 4
	fields := strings.SplitN(string(raw), " ", parts)
	if len(fields) != parts || fields[0] != cursorVersion || len(fields[3]) > maxKey {
		return "", c, unusableCursor()
	}
	name, err := digest.Parse(fields[2])
	if err != nil {
		return "", c, unusableCursor()
	}
	return fields[1], Cursor{Key: fields[3], Digest: name}, nil
}
