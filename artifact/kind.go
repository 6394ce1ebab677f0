package artifact

import (
	"cmp"
	"strings"

	"github.com/backref/backref/oci"
)

// Kinds is a set of the kinds of things that are attached to images. The zero
// Kinds is none of them: what is not known, or anything else.
type Kinds uint8

// The kinds.
const (
	// KindSignature is a signature of what it is attached to.
	KindSignature Kinds = 1 << iota
	// KindSBOM is a list of what an image is made of.
	KindSBOM
	// KindAttestation is a statement about an image that says itself what it is about
	// (in-toto), signed or not.
	KindAttestation
	// KindReport is what somebody found out about an image: vulnerabilities, or that it
	// is not affected by some.
	KindReport
)

// word is a kind by the word that people use.
type word struct {
	kind Kinds
	name string
}

// words are all kinds, in the order in which they are told.
func words() []word {
	return []word{{KindSignature, "signature"}, {KindSBOM, "sbom"}, {KindAttestation, "attestation"}, {KindReport, "report"}}
}

// otherName is how a set without kinds is called.
const otherName = "other"

// Has tells whether all of some kinds are in the set.
func (k Kinds) Has(kinds Kinds) bool { return k&kinds == kinds }

// Names returns the kinds by their words: "signature", "sbom", "attestation" and
// "report", in this order; "other" where there is none.
func (k Kinds) Names() []string {
	var names []string
	for _, w := range words() {
		if k.Has(w.kind) {
			names = append(names, w.name)
		}
	}
	if names == nil {
		return []string{otherName}
	}
	return names
}

// String returns the names with commas between.
func (k Kinds) String() string { return strings.Join(k.Names(), ",") }

// KindNamed returns the kind that a word of [Kinds.Names] stands for. "other" is
// none.
func KindNamed(name string) (kind Kinds, known bool) {
	for _, w := range words() {
		if w.name == name {
			return w.kind, true
		}
	}
	return 0, false
}

// Kind says what an artifact is, by what its descriptor tells.
type Kind struct {
	// Kinds are all that it is: an attestation whose statement is an SBOM is both.
	Kinds
	// PredicateType is what an attestation states, as a URI; empty where the
	// descriptor doesn't tell.
	PredicateType string
}

// Annotations by which tools tell the predicate type of an attestation.
const (
	// AnnotationBundlePredicate is cosign's, on a Sigstore bundle (cosign, "Bundle
	// Spec"); AnnotationBundleContent says what the bundle holds.
	AnnotationBundlePredicate = "dev.sigstore.bundle.predicateType"
	AnnotationBundleContent   = "dev.sigstore.bundle.content"
	// AnnotationInTotoPredicate is BuildKit's, on the layer that holds a statement.
	AnnotationInTotoPredicate = "in-toto.io/predicate-type"
	// AnnotationPredicate is cosign's, on layers, and that of tools that attach plain
	// statements.
	AnnotationPredicate = "predicateType"
)

// What a Sigstore bundle holds, as [AnnotationBundleContent] says.
const (
	bundleMessageSignature = "message-signature"
	bundleEnvelope         = "dsse-envelope"
)

// KindOf tells what an artifact is by its artifact type and annotations. Anyone may
// attach anything under any type: the answer is what it is said to be. What nothing
// is known of is none of the kinds.
//
// A Sigstore bundle is told by its annotations, since signatures and attestations
// have one type. One without them may be either, and is neither.
func KindOf(d oci.Descriptor) Kind {
	stated := cmp.Or(d.Annotations[AnnotationBundlePredicate], d.Annotations[AnnotationInTotoPredicate], d.Annotations[AnnotationPredicate])
	if isOrBelow(d.ArtifactType, typeBundle) {
		switch {
		case d.Annotations[AnnotationBundleContent] == bundleMessageSignature:
			return Kind{Kinds: KindSignature}
		case d.Annotations[AnnotationBundleContent] == bundleEnvelope, stated != "":
			return KindOfPredicate(stated)
		default:
			return Kind{}
		}
	}
	for _, known := range types() {
		if isOrBelow(d.ArtifactType, known.name) {
			if known.kind == KindAttestation {
				return KindOfPredicate(stated)
			}
			return Kind{Kinds: known.kind}
		}
	}
	return Kind{}
}

// KindOfPredicate tells what an attestation is by the type of its predicate; empty
// is one of which that is not known. Cosign 3 signs images by a statement that says
// nothing but that the image is signed: that is a signature, and no attestation.
func KindOfPredicate(predicateType string) Kind {
	is := KindAttestation
	for _, known := range predicates() {
		if isOrBelow(predicateType, known.name) {
			is = known.kind
			break
		}
	}
	return Kind{is, predicateType}
}

// typeBundle begins the media types of Sigstore bundles.
const typeBundle = "application/vnd.dev.sigstore.bundle"

// named is the name of a type or predicate, without what tells its version or
// encoding.
type named struct {
	name string
	kind Kinds
}

// types are the artifact types that tools attach to images.
func types() []named {
	return []named{
		{"application/vnd.dev.cosign.artifact.sig", KindSignature},
		{"application/vnd.dev.cosign.artifact.att", KindAttestation},
		{"application/vnd.dev.cosign.artifact.sbom", KindSBOM},
		{"application/vnd.cncf.notary.signature", KindSignature},
		{"application/spdx", KindSBOM},
		{"text/spdx", KindSBOM},
		// VEX documents of CycloneDX are no SBOMs.
		{"application/vnd.cyclonedx.vex", KindReport},
		{"application/vnd.cyclonedx", KindSBOM},
		{"application/vnd.syft", KindSBOM},
		{"application/vnd.in-toto", KindAttestation},
		{"application/vnd.docker.attestation.manifest", KindAttestation},
		{"application/vnd.dsse.envelope", KindAttestation},
		{"application/sarif", KindReport},
		{"application/vnd.aquasec.trivy.report", KindReport},
		{"application/vnd.anchore.grype", KindReport},
		{"application/vnd.openvex", KindReport},
		{"application/openvex", KindReport},
	}
}

// predicates are the types of predicates that make an attestation something else
// too.
func predicates() []named {
	return []named{
		{"https://spdx.dev/Document", KindAttestation | KindSBOM},
		{"https://cyclonedx.org/bom", KindAttestation | KindSBOM},
		{"https://cyclonedx.org/schema", KindAttestation | KindSBOM},
		{"https://syft.dev/bom", KindAttestation | KindSBOM},
		{"https://cyclonedx.org/vex", KindAttestation | KindReport},
		{"https://openvex.dev/ns", KindAttestation | KindReport},
		{"https://cosign.sigstore.dev/attestation/vuln", KindAttestation | KindReport},
		{"https://in-toto.io/attestation/vulns", KindAttestation | KindReport},
		{"https://sigstore.dev/cosign/sign", KindSignature},
	}
}

// isOrBelow tells whether a type is the named one, or that with a version, an
// encoding or a part of it behind.
func isOrBelow(text, name string) bool {
	rest, begins := strings.CutPrefix(text, name)
	if !begins || rest == "" {
		return begins
	}
	if strings.ContainsRune(".+;/-@#", rune(rest[0])) {
		return true
	}
	// https://cyclonedx.org/bom/v1.4 and https://cyclonedx.org/bomV1 are both seen.
	return strings.ContainsRune("vV", rune(rest[0])) && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9'
}
