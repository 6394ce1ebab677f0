package compare

import (
	"strings"

	"github.com/backref/backref/artifact"
)

// The families of formats, of which the newest document of each counts. Those that
// are not known from outside are told by the document.
const (
	familySPDX      = "spdx"
	familyCycloneDX = "cyclonedx"
	familySyft      = "syft"
)

// families are in the order in which they are preferred.
func families() []string { return []string{familySPDX, familyCycloneDX, familySyft} }

// sboms are the newest of each family.
type sboms map[string]sbom

// sbom is a document with its packages; read is nil where it could not be read.
type sbom struct {
	document Document
	read     *artifact.SBOM
}

func (s sboms) has(family string) bool {
	_, is := s[family]
	return is
}

// add keeps a document, unless a newer one of the family is there.
func (s sboms) add(family string, one sbom) {
	if !s.has(family) {
		s[family] = one
	}
}

// plainType returns a media type where it says more than the artifact does: those
// of layers that hold an SBOM as it is.
func plainType(mediaType string) string {
	if familyOf(mediaType, "") != "" {
		return mediaType
	}
	return ""
}

// familyOf returns the family of an SBOM by its artifact or media type and the kind
// of its statement; empty for what is none, or not known to be one.
func familyOf(mediaType, predicate string) string {
	switch {
	case strings.HasPrefix(predicate, "https://spdx.dev/Document"):
		return familySPDX
	case strings.HasPrefix(predicate, "https://cyclonedx.org/bom"):
		return familyCycloneDX
	case strings.HasPrefix(predicate, "https://syft.dev/bom"):
		return familySyft
	case predicate != "":
		return ""
	case strings.HasPrefix(mediaType, "application/spdx"), strings.HasPrefix(mediaType, "text/spdx"), strings.HasPrefix(mediaType, "spdx+"):
		return familySPDX
	case strings.HasPrefix(mediaType, "application/vnd.cyclonedx"):
		return familyCycloneDX
	case strings.HasPrefix(mediaType, "application/vnd.syft"):
		return familySyft
	default:
		return ""
	}
}

func familyOfFormat(format artifact.Format) string {
	switch format {
	case artifact.CycloneDXJSON:
		return familyCycloneDX
	case artifact.SyftJSON:
		return familySyft
	default:
		return familySPDX
	}
}

// compareSBOMs compares those of a family that both have, else one of each.
func compareSBOMs(a, b sboms) *SBOMDifference {
	switch {
	case len(a) == 0 && len(b) == 0:
		return &SBOMDifference{State: Missing}
	case len(a) == 0:
		return &SBOMDifference{State: MissingA, B: b.first().shown()}
	case len(b) == 0:
		return &SBOMDifference{State: MissingB, A: a.first().shown()}
	}
	one, other := a.first(), b.first()
	for _, family := range families() {
		if a[family].read != nil && b[family].read != nil {
			one, other = a[family], b[family]
			break
		}
	}
	if one.read == nil || other.read == nil {
		return &SBOMDifference{State: NotRead, A: one.shown(), B: other.shown()}
	}
	d := comparePackages(one.read.Packages, other.read.Packages, one.read.Format == other.read.Format)
	d.State, d.A, d.B = Compared, one.shown(), other.shown()
	return &d
}

// first returns the preferred one, of those that could be read if there are any.
func (s sboms) first() sbom {
	for _, family := range families() {
		if s[family].read != nil {
			return s[family]
		}
	}
	return sbom{}
}

// shown returns what was read; nil for nothing.
func (s sbom) shown() *Document {
	if s.read == nil {
		return nil
	}
	return &s.document
}

// same reports whether the packages are the same, as far as there are any.
func (d *SBOMDifference) same() bool {
	if d == nil || d.State == Missing {
		return true
	}
	return d.State == Compared && len(d.Added)+len(d.Removed)+len(d.Changed) == 0
}
