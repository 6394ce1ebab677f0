package oci

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The suffixes of the tags under which cosign keeps what belongs to a manifest.
const (
	CosignSignature   = "sig"
	CosignAttestation = "att"
	CosignSBOM        = "sbom"
)

func cosignSuffixes() []string {
	return []string{CosignSignature, CosignAttestation, CosignSBOM}
}

// CosignTags returns the tags under which cosign 2 keeps, at its defaults, what
// belongs to a manifest: sha256-<hex>.sig, .att and .sbom. It knows no other
// algorithm, so there are none of other digests.
func CosignTags(subject digest.Digest) []string {
	if subject.Algorithm() != digest.SHA256 {
		return nil
	}
	var tags []string
	for _, suffix := range cosignSuffixes() {
		tags = append(tags, ReferrersTag(subject)+"."+suffix)
	}
	return tags
}

// IsCosignTag reports whether a tag has the form of [CosignTags].
func IsCosignTag(tag string) bool {
	subject, _ := CosignTagOf(tag)
	return subject != ""
}

// CosignTagOf returns the manifest that a tag of cosign belongs to, and its
// suffix; both are empty for a tag of another form.
func CosignTagOf(tag string) (subject digest.Digest, suffix string) {
	name, suffix, _ := strings.Cut(tag, ".")
	if !slices.Contains(cosignSuffixes(), suffix) || !strings.HasPrefix(name, "sha256-") || !IsReferrersTag(name) {
		return "", ""
	}
	return SubjectOf(name), suffix
}
