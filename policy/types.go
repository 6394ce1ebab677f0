package policy

import (
	"errors"
	"slices"

	"github.com/backref/backref/oci"
)

// Types is a set of artifact types, by patterns. The zero value is all.
type Types struct {
	patterns []string
}

// NewTypes returns the set of the types that match one of the patterns: see
// [oci.MatchGlob]. Without patterns it is all types.
func NewTypes(patterns []string) (Types, error) {
	if slices.Contains(patterns, "") {
		return Types{}, errors.New("an artifact type is empty")
	}
	return Types{patterns}, nil
}

// Match tells whether a type is in the set.
func (t Types) Match(artifactType string) bool {
	return t.All() || slices.ContainsFunc(t.patterns, func(pattern string) bool { return oci.MatchGlob(pattern, artifactType) })
}

// All tells whether the set has all types.
func (t Types) All() bool { return len(t.patterns) == 0 }
