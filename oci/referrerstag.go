package oci

import (
	"strings"

	// The algorithms that a digest may name are those linked in.
	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"
)

// Limits of the parts of a referrers tag (distribution-spec, "Referrers Tag
// Schema").
const (
	maxTagAlgorithm = 32
	maxTagEncoded   = 64
)

// ReferrersTag returns the tag under which clients keep the referrers of a
// subject in a registry without the API (distribution-spec, "Referrers Tag
// Schema"). Long digests are cut, so a tag may stand for several subjects.
func ReferrersTag(subject digest.Digest) string {
	algorithm := clip(subject.Algorithm().String(), maxTagAlgorithm)
	return algorithm + "-" + clip(subject.Encoded(), maxTagEncoded)
}

// IsReferrersTag reports whether a tag has the form of [ReferrersTag] for a
// digest of a known algorithm. What stands behind the tag is another question.
func IsReferrersTag(tag string) bool {
	name, encoded, found := strings.Cut(tag, "-")
	if !found {
		return false
	}
	algorithm := digest.Algorithm(name)
	if !algorithm.Available() || len(encoded) != min(algorithm.Size()*2, maxTagEncoded) {
		return false
	}
	return strings.Trim(encoded, "0123456789abcdef") == ""
}

// SubjectOf returns the subject whose [ReferrersTag] a tag is, by its form. It
// is empty for a tag of another form, and where the digest is cut.
func SubjectOf(tag string) digest.Digest {
	algorithm, encoded, _ := strings.Cut(tag, "-")
	subject := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded)
	if CheckDigest(subject) != nil {
		return ""
	}
	return subject
}

// hiddenSuffix ends the hidden tags, which no referrers tag does.
const hiddenSuffix = ".referrer"

// HiddenTag returns a tag of a referrer's own, for registries whose garbage
// collection drops what no tag stands for, whatever index lists it.
func HiddenTag(referrer digest.Digest) string {
	return ReferrersTag(referrer) + hiddenSuffix
}

// IsHiddenTag reports whether a tag has the form of [HiddenTag].
func IsHiddenTag(tag string) bool { return hasForm(tag, hiddenSuffix) }

// HiddenTagOf returns the digest of the referrer whose hidden tag it is, by its
// form. It is false for a tag of another form, and where the digest is cut.
func HiddenTagOf(tag string) (digest.Digest, bool) { return namedBy(tag, hiddenSuffix) }

// hasForm tells whether a tag is a referrers tag with a suffix behind.
func hasForm(tag, suffix string) bool {
	name, found := strings.CutSuffix(tag, suffix)
	return found && IsReferrersTag(name)
}

// namedBy returns the digest that such a tag names whole.
func namedBy(tag, suffix string) (digest.Digest, bool) {
	if !hasForm(tag, suffix) {
		return "", false
	}
	named := SubjectOf(strings.TrimSuffix(tag, suffix))
	return named, named != ""
}

// keptSuffix ends the kept tags, which no referrers tag and no hidden tag does.
const keptSuffix = ".kept"

// KeptTag returns the tag under which a manifest is kept that the registry does not
// have by its digest: in an envelope, or as what it is by a digest of another
// algorithm.
func KeptTag(manifest digest.Digest) string {
	return ReferrersTag(manifest) + keptSuffix
}

// IsKeptTag reports whether a tag has the form of [KeptTag].
func IsKeptTag(tag string) bool { return hasForm(tag, keptSuffix) }

// OwnTagOf returns the digest of the manifest whose hidden tag or kept tag it is, by
// its form. It is false for a tag of another form, and where the digest is cut.
func OwnTagOf(tag string) (digest.Digest, bool) {
	if named, kept := namedBy(tag, keptSuffix); kept {
		return named, true
	}
	return namedBy(tag, hiddenSuffix)
}

// IsOwnTag reports whether a tag has the form of [HiddenTag] or [KeptTag]: of those
// that backref makes itself.
func IsOwnTag(tag string) bool {
	return IsHiddenTag(tag) || IsKeptTag(tag)
}

func clip(s string, limit int) string {
	return s[:min(len(s), limit)]
}
