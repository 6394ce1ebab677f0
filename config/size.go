package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In text it is a whole number with an optional
// unit: B, KiB, MiB, GiB, or KB, MB, GB for powers of ten.
type Size int64

// sizeUnit is a way to write a size.
type sizeUnit struct {
	name  string
	bytes int64
}

// sizeUnits returns the units in the order in which String tries them.
func sizeUnits() [7]sizeUnit {
	return [...]sizeUnit{
		{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// String returns the shortest text that stands for exactly this size.
func (s Size) String() string {
	for _, unit := range sizeUnits() {
		if n := int64(s); unit.bytes > 1 && n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText implements [encoding.TextMarshaler].
func (s Size) MarshalText() ([]byte, error) {
	return []byte(s.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := string(text), int64(1)
	for _, unit := range sizeUnits() {
		if rest, found := strings.CutSuffix(number, unit.name); found {
			number, factor = strings.TrimRight(rest, " "), unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case strings.ContainsAny(number, "+-"):
		return fmt.Errorf("%q is not a size such as 4MiB", text)
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%q is too large", text)
	case err != nil:
		return fmt.Errorf("%q is not a size such as 4MiB", text)
	}
	if n > math.MaxInt64/factor {
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(n * factor)
	return nil
}
