package index

import (
	"time"

	"github.com/backref/backref/oci"
)

// TagVersion returns the version that a tagged manifest goes by: the one that
// its annotation states, else the tag; empty where neither is a semantic
// version.
func TagVersion(tag string, annotations map[string]string) string {
	for _, text := range []string{annotations[AnnotationVersion], tag} {
		if VersionKey(text) != "" {
			return text
		}
	}
	return ""
}

// VersionKey returns the key of a version in the order of versions; empty where
// it is none.
func VersionKey(text string) string {
	return Order{By: SortVersion}.Key(oci.Descriptor{Annotations: map[string]string{AnnotationVersion: text}}, time.Time{})
}
