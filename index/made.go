package index

import (
	"encoding/json"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Tools that build images state in the config when an image was made, and few of
// them in an annotation too. When an image was made is told by the first of
// these that does:
//
//   - [AnnotationCreated] of its manifest
//   - created of its config
//   - of an image index, the latest of the images that it lists: it is what it
//     is from then on
//
// What tells none of them is as old as the index knows it. Referrers are ordered
// by their annotation alone ([SortCreated]): an artifact has no such config.

// firstImages is when there were no images yet. What says that it was made before
// says nothing: a build that is to give the same bytes each time writes year 1,
// 1970 or 1980 in the place of a time.
func firstImages() time.Time { return time.Date(2013, time.January, 1, 0, 0, 0, 0, time.UTC) }

// StatedMade returns when an image was made, as its annotations state it; the
// zero Time where they don't.
func StatedMade(annotations map[string]string) time.Time {
	created, stated := Created(annotations)
	if !stated {
		return time.Time{}
	}
	return madeAt(created)
}

// ConfigMade returns when an image was made, as its config says; the zero Time
// where that says nothing.
func ConfigMade(config []byte) time.Time {
	var said struct {
		Created time.Time `json:"created"`
	}
	if err := json.Unmarshal(config, &said); err != nil {
		return time.Time{}
	}
	return madeAt(said.Created)
}

func madeAt(stated time.Time) time.Time {
	if stated.Before(firstImages()) {
		return time.Time{}
	}
	return stated.UTC()
}

// ImageConfig returns the config of an image; empty where m is none, or none
// whose config would say when it was made.
func (m Manifest) ImageConfig() digest.Digest {
	if !oci.IsImageConfigType(m.ArtifactType) {
		return ""
	}
	return m.first(EdgeConfig)
}

func (m Manifest) first(kind EdgeKind) digest.Digest {
	for _, edge := range m.Edges {
		if edge.Kind == kind {
			return edge.Target
		}
	}
	return ""
}

// Manifests returns the manifests that an image index lists.
func (m Manifest) Manifests() []digest.Digest {
	var all []digest.Digest
	for _, edge := range m.Edges {
		if edge.Kind == EdgeManifest {
			all = append(all, edge.Target)
		}
	}
	return all
}

// MadeElsewhere tells whether what m names has to be read to know when it was
// made: m is an image or an image index, and doesn't say so itself.
func (m Manifest) MadeElsewhere() bool {
	return StatedMade(m.Annotations).IsZero() && (m.ImageConfig() != "" || m.first(EdgeManifest) != "")
}
