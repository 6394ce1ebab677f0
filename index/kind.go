package index

import "fmt"

// kind is one of the numbered words of the index.
type kind interface {
	~uint8
	fmt.Stringer
}

// marshalKind writes a kind as a word; one outside of first to last has none.
func marshalKind[K kind](k, first, last K) ([]byte, error) {
	if k < first || k > last {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, k)
	}
	return []byte(k.String()), nil
}

// unmarshalKind finds the kind from first to last that is written so.
func unmarshalKind[K kind](k *K, text []byte, first, last K) error {
	for candidate := first; candidate <= last; candidate++ {
		if candidate.String() == string(text) {
			*k = candidate
			return nil
		}
	}
	return fmt.Errorf("%w: unknown kind %.50q", ErrInvalid, text)
}
