package index

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
)

// AnnotationOmitted on a listed descriptor names the annotations of the
// manifest that were left out there, separated by commas. Names that would make
// it long are counted instead.
const AnnotationOmitted = "com.github.backref.annotations-omitted"

// maxOmittedNames bounds the names that [AnnotationOmitted] gives.
const maxOmittedNames = 256

// Listed returns the descriptor of a referrer as a listing shows it: encoded in
// at most so many bytes, for which the longest annotations are left out, and
// named. So no referrer can push others off a page. One that fits is returned
// as it is. What is longer without any annotation stays so.
func Listed(encoded json.RawMessage, most int) (json.RawMessage, error) {
	if most <= 0 || len(encoded) <= most {
		return encoded, nil
	}
	var d oci.Descriptor
	if err := json.Unmarshal(encoded, &d); err != nil {
		return nil, fmt.Errorf("%w: descriptor of a referrer: %w", ErrDamaged, err)
	}
	longest := slices.SortedFunc(maps.Keys(d.Annotations), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b)+len(d.Annotations[b]), len(a)+len(d.Annotations[a])), strings.Compare(a, b))
	})
	var omitted []string
	for _, name := range longest {
		delete(d.Annotations, name)
		omitted = append(omitted, name)
		d.Annotations[AnnotationOmitted] = namesOf(omitted)
		shorter, err := d.Encode()
		if err != nil {
			return nil, err
		}
		if encoded = shorter; len(encoded) <= most {
			break
		}
	}
	return encoded, nil
}

func namesOf(omitted []string) string {
	length := 0
	for i, name := range omitted {
		if length += len(name) + 1; length > maxOmittedNames {
			return strings.Join(append(slices.Clone(omitted[:i]), fmt.Sprintf("and %d more", len(omitted)-i)), ",")
		}
	}
	return strings.Join(omitted, ",")
}
