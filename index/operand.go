package index

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// operandKind is what a value can be that is ordered otherwise than by its bytes.
type operandKind uint8

const (
	kindTime operandKind = iota
	kindNumber
	kindVersion
)

// operand is a value of a kind. Keys of one kind compare as strings.
type operand struct {
	kind operandKind
	key  string
}

// parseOperand takes a value for the first kind that it can be.
func parseOperand(text string) (operand, bool) {
	for _, k := range []operandKind{kindTime, kindNumber, kindVersion} {
		if key, ok := k.key(text); ok {
			return operand{k, key}, true
		}
	}
	return operand{}, false
}

// key reads a value as one of the kind.
func (k operandKind) key(text string) (string, bool) {
	switch k {
	case kindTime:
		t, err := time.Parse(time.RFC3339, text)
		return timeKey(t), err == nil
	case kindNumber:
		return numberKey(text)
	default:
		return versionKey(text)
	}
}

// CreatedKeySize is the length of the keys of [SortCreated].
const CreatedKeySize = 12

// timeKey returns the seconds, so that those before 1970 come first, and the
// nanoseconds.
func timeKey(t time.Time) string {
	const sign = 1 << 63
	b := make([]byte, 0, CreatedKeySize)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^sign)  //nolint:gosec // The bits are meant.
	b = binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond())) //nolint:gosec // Less than 2^30.
	return string(b)
}

// CreatedOf returns the time that a key of [SortCreated] stands for; the zero
// Time where it is none.
func CreatedOf(key []byte) time.Time {
	if len(key) != CreatedKeySize {
		return time.Time{}
	}
	const sign = 1 << 63
	seconds := binary.BigEndian.Uint64(key) ^ sign
	return time.Unix(int64(seconds), int64(binary.BigEndian.Uint32(key[8:]))).UTC() //nolint:gosec // The bits are meant.
}

// The first bytes of the key of a number.
const (
	numberBelow = 0
	numberAbove = 1
)

// numberKey reads a decimal number: a sign, digits, and a point with digits,
// of which the sign and the point with its digits may lack. It is exact, which
// a binary fraction would not be.
func numberKey(text string) (string, bool) {
	unsigned := strings.TrimLeft(text, "+-")
	if len(text)-len(unsigned) > 1 {
		return "", false
	}
	whole, fraction, pointed := strings.Cut(unsigned, ".")
	if whole == "" || pointed && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	b := binary.BigEndian.AppendUint32([]byte{numberAbove}, uint32(len(whole))) //nolint:gosec // A manifest is smaller.
	b = append(append(b, whole...), fraction...)
	if text[0] != '-' || whole+fraction == "" {
		return string(b), true
	}
	// The larger the digits the smaller the number, and a longer fraction is
	// smaller than its beginning.
	for i := range b {
		b[i] = ^b[i]
	}
	b[0] = numberBelow
	return string(append(b, ^byte(0))), true
}

// The bytes in the key of a version behind its three numbers. The end comes
// before a further part, a number before a name, and a release behind all of
// its pre-releases.
const (
	versionEnd     = 0
	versionNumber  = 1
	versionName    = 2
	versionRelease = 3
)

// versionKey reads a semantic version, of which a leading v is allowed and the
// last two numbers may lack. Build metadata doesn't count.
func versionKey(text string) (string, bool) {
	if text == "" || len(text) > semver.MaxVersionLen {
		return "", false
	}
	version, err := semver.NewVersion(text)
	if err != nil {
		return "", false
	}
	var b []byte
	for _, n := range []uint64{version.Major(), version.Minor(), version.Patch()} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if version.Prerelease() == "" {
		return string(append(b, versionRelease)), true
	}
	for part := range strings.SplitSeq(version.Prerelease(), ".") {
		if strings.Trim(part, "0123456789") == "" {
			b = binary.BigEndian.AppendUint16(append(b, versionNumber), uint16(len(part))) //nolint:gosec // At most 256.
			b = append(b, part...)
		} else {
			b = append(append(append(b, versionName), part...), versionEnd)
		}
	}
	return string(append(b, versionEnd)), true
}
