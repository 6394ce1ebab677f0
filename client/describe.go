package client

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

// description is what is known of artifacts of a type.
type description struct{ artifactType, text string }

// descriptions are the types that tools attach to images.
func descriptions() []description {
	return []description{
		{"application/spdx+json", "SPDX SBOM"},
		{"text/spdx", "SPDX SBOM"},
		{"application/vnd.cyclonedx+json", "CycloneDX SBOM"},
		{"application/vnd.cyclonedx+xml", "CycloneDX SBOM"},
		{"application/vnd.cyclonedx", "CycloneDX SBOM"},
		{"application/vnd.syft+json", "Syft SBOM"},
		{"application/vnd.dev.cosign.artifact.sbom.v1+json", "SBOM by cosign"},
		{"application/vnd.dev.cosign.artifact.sig.v1+json", "cosign signature"},
		{"application/vnd.dev.cosign.artifact.att.v1+json", "cosign attestation"},
		{"application/vnd.dev.sigstore.bundle", "sigstore bundle"},
		{"application/vnd.cncf.notary.signature", "notation signature"},
		{"application/vnd.in-toto", "in-toto attestation"},
		{"application/vnd.docker.attestation.manifest.v1+json", "BuildKit attestation"},
		{"application/sarif+json", "SARIF report"},
		{"application/vnd.openvex", "OpenVEX statement"},
		{"application/openvex+json", "OpenVEX statement"},
		{"application/vnd.aquasec.trivy.report", "Trivy report"},
		{"application/vnd.anchore.grype", "Grype report"},
		{"application/vnd.cncf.helm.config", "Helm chart"},
		{"application/vnd.oci.image.config.v1+json", "image"},
		{"application/vnd.docker.container.image.v1+json", "image"},
		{"application/vnd.oci.empty.v1+json", "artifact"},
	}
}

// KnownTypes returns the artifact types that are described in words.
func KnownTypes() []string {
	var types []string
	for _, d := range descriptions() {
		types = append(types, d.artifactType)
	}
	return types
}

// predicates are the kinds of statements in attestations.
func predicates() []description {
	return []description{
		{"https://spdx.dev/Document", "SPDX SBOM"},
		{"https://cyclonedx.org/bom", "CycloneDX SBOM"},
		{"https://slsa.dev/provenance/", "SLSA provenance"},
		{"https://cosign.sigstore.dev/attestation/vuln/", "vulnerability scan"},
		{"https://openvex.dev/ns", "OpenVEX statement"},
		{"https://sigstore.dev/cosign/sign/v1", "signature"},
	}
}

// Annotations by which tools say what is in an artifact.
const (
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	annotationInToto    = "in-toto.io/predicate-type"
)

// Describe says in words what a manifest is, or names its type where that is
// not known.
func Describe(d oci.Descriptor) string {
	text := matching(descriptions(), d.ArtifactType)
	predicate := cmp.Or(d.Annotations[annotationPredicate], d.Annotations[annotationInToto])
	if predicate == "" && d.ArtifactType == index.TypeCosignAttestation {
		predicate = d.Annotations[index.AnnotationPredicateType]
	}
	switch {
	case predicate != "" && text != "":
		said := matching(predicates(), predicate)
		if said == "" {
			said = predicate
		}
		return text + ": " + said
	case text != "":
		return text
	case d.ArtifactType != "":
		return d.ArtifactType
	case d.MediaType == oci.MediaTypeImageIndex || d.MediaType == oci.MediaTypeDockerList:
		return "image index"
	default:
		return d.MediaType
	}
}

// Printable returns a text as people may see it. Artifact types and annotations
// are anyone's: what would move the cursor, colour or hide something on a
// terminal is written as an escape sequence of Go.
func Printable(text string) string {
	var printable strings.Builder
	for begin := 0; begin < len(text); {
		r, size := utf8.DecodeRuneInString(text[begin:])
		part := text[begin : begin+size]
		if r == utf8.RuneError && size == 1 || !strconv.IsGraphic(r) {
			part = strconv.QuoteToGraphic(part)
			part = part[1 : len(part)-1]
		}
		printable.WriteString(part)
		begin += size
	}
	return printable.String()
}

func matching(known []description, name string) string {
	for _, d := range known {
		if name == d.artifactType || strings.HasPrefix(name, d.artifactType) && isVersionSuffix(name[len(d.artifactType):]) {
			return d.text
		}
	}
	return ""
}

// isVersionSuffix reports whether what follows a known type only tells its
// version or encoding.
func isVersionSuffix(rest string) bool {
	return rest == "" || strings.ContainsRune(".+;v0123456789", rune(rest[0]))
}

// Signer returns who is said to have signed, where a manifest tells: the identity
// in the certificate of a cosign signature, the thumbprint of notation's.
func Signer(m Manifest) string {
	contents, err := m.Contents()
	if err != nil {
		return ""
	}
	layers := make([]map[string]string, len(contents.Layers))
	for i, layer := range contents.Layers {
		layers[i] = layer.Annotations
	}
	return claim.Annotated(m.Annotations, layers).Signer()
}
