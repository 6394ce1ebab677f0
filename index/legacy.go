package index

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
)

// The artifact types by which cosign calls what it keeps, where it keeps it as
// referrers (its mode "oci-1-1").
const (
	TypeCosignSignature   = "application/vnd.dev.cosign.artifact.sig.v1+json"
	TypeCosignAttestation = "application/vnd.dev.cosign.artifact.att.v1+json"
	TypeCosignSBOM        = "application/vnd.dev.cosign.artifact.sbom.v1+json"
)

// AnnotationPredicateType is how cosign calls the kind of statement of an
// attestation, on the layer that holds it.
const AnnotationPredicateType = "predicateType"

// Media types of what cosign keeps in layers.
const (
	mediaTypeSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	mediaTypeDSSE          = "application/vnd.dsse.envelope.v1+json"
)

// LegacyReferrer returns the entry by which a manifest is shown that stands under
// a tag of cosign ([oci.CosignTags]), and whether it is what cosign keeps there:
// an image manifest without a subject, of which every layer holds a signature,
// an attestation or an SBOM, as the tag says. Anything else under such a name is
// just a tag.
//
// The entry has the artifact type that cosign gives the same as a referrer. An
// attestation has [AnnotationPredicateType] of its layers where they are all of
// one.
func LegacyReferrer(tag string, m Manifest, body []byte) (oci.Descriptor, bool) {
	_, suffix := oci.CosignTagOf(tag)
	isImage := m.MediaType == oci.MediaTypeImageManifest || m.MediaType == oci.MediaTypeDockerImage
	if suffix == "" || !isImage || m.Subject() != "" {
		return oci.Descriptor{}, false
	}
	var held struct {
		Layers []legacyLayer `json:"layers"`
	}
	if err := json.Unmarshal(body, &held); err != nil || len(held.Layers) == 0 {
		return oci.Descriptor{}, false
	}
	entry := m.Descriptor()
	entry.Legacy, entry.Tag = true, tag
	var holds func(mediaType string) bool
	switch suffix {
	case oci.CosignSignature:
		entry.ArtifactType, holds = TypeCosignSignature, func(t string) bool { return t == mediaTypeSimpleSigning }
	case oci.CosignAttestation:
		entry.ArtifactType, holds = TypeCosignAttestation, func(t string) bool { return t == mediaTypeDSSE }
	default:
		entry.ArtifactType, holds = TypeCosignSBOM, isSBOM
	}
	if slices.ContainsFunc(held.Layers, func(l legacyLayer) bool { return !holds(l.MediaType) }) {
		return oci.Descriptor{}, false
	}
	if predicate := commonPredicate(held.Layers); suffix == oci.CosignAttestation && predicate != "" {
		entry.Annotations = maps.Clone(entry.Annotations)
		if entry.Annotations == nil {
			entry.Annotations = map[string]string{}
		}
		entry.Annotations[AnnotationPredicateType] = predicate
	}
	return entry, true
}

type legacyLayer struct {
	MediaType   string            `json:"mediaType"`
	Annotations map[string]string `json:"annotations"`
}

// isSBOM reports whether a media type is that of an SBOM, whatever its version
// and encoding.
func isSBOM(mediaType string) bool {
	bare, _, _ := strings.Cut(mediaType, ";")
	bare, _, _ = strings.Cut(bare, "+")
	switch strings.TrimSpace(bare) {
	case "text/spdx", "application/spdx", "application/vnd.cyclonedx", "application/vnd.syft":
		return true
	default:
		return false
	}
}

// commonPredicate returns the predicate type of all layers; empty where they are
// not of one.
func commonPredicate(layers []legacyLayer) string {
	predicate := layers[0].Annotations[AnnotationPredicateType]
	for _, l := range layers[1:] {
		if l.Annotations[AnnotationPredicateType] != predicate {
			return ""
		}
	}
	return predicate
}
