package artifact_test

import (
	"testing"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/oci"
)

const bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"

// What tools attach is told by what they write.
func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		artifactType string
		annotations  map[string]string
		want         string
		predicate    string
	}{
		{"application/vnd.dev.cosign.artifact.sig.v1+json", nil, "signature", ""},
		{"application/vnd.dev.cosign.artifact.att.v1+json", nil, "attestation", ""},
		{
			"application/vnd.dev.cosign.artifact.att.v1+json", map[string]string{"predicateType": "https://spdx.dev/Document"},
			"sbom,attestation", "https://spdx.dev/Document",
		},
		{"application/vnd.dev.cosign.artifact.sbom.v1+json", nil, "sbom", ""},
		{"application/vnd.cncf.notary.signature", nil, "signature", ""},
		{bundle, map[string]string{"dev.sigstore.bundle.content": "message-signature"}, "signature", ""},
		{
			bundle, map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"},
			"signature", "https://sigstore.dev/cosign/sign/v1",
		},
		{
			bundle, map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
			"attestation", "https://slsa.dev/provenance/v1",
		},
		{bundle, map[string]string{"dev.sigstore.bundle.predicateType": "https://cyclonedx.org/bom/v1.6"}, "sbom,attestation", "https://cyclonedx.org/bom/v1.6"},
		{bundle, map[string]string{"dev.sigstore.bundle.content": "dsse-envelope"}, "attestation", ""},
		{bundle, nil, "other", ""},
		{"application/spdx+json", nil, "sbom", ""},
		{"text/spdx+json", nil, "sbom", ""},
		{"application/vnd.cyclonedx+json;version=1.5", nil, "sbom", ""},
		{"application/vnd.cyclonedx", nil, "sbom", ""},
		{"application/vnd.cyclonedx.vex+json", nil, "report", ""},
		{"application/vnd.syft+json", nil, "sbom", ""},
		{"application/vnd.in-toto+json", nil, "attestation", ""},
		{
			"application/vnd.in-toto+json", map[string]string{"in-toto.io/predicate-type": "https://cosign.sigstore.dev/attestation/vuln/v1"},
			"attestation,report", "https://cosign.sigstore.dev/attestation/vuln/v1",
		},
		{"application/sarif+json", nil, "report", ""},
		{"application/vnd.aquasec.trivy.report.sarif.v1", nil, "report", ""},
		{"application/vnd.openvex+json", nil, "report", ""},
		{"application/openvex+json", nil, "report", ""},
		{"application/vnd.oci.image.config.v1+json", nil, "other", ""},
		{"application/spdxish", nil, "other", ""},
		{"application/vnd.oci.empty.v1+json", map[string]string{"predicateType": "https://spdx.dev/Document"}, "other", ""},
		{"", nil, "other", ""},
	} {
		got := artifact.KindOf(oci.Descriptor{ArtifactType: c.artifactType, Annotations: c.annotations})
		if got.String() != c.want || got.PredicateType != c.predicate {
			t.Errorf("%s %v: %s %q, want %s %q", c.artifactType, c.annotations, got, got.PredicateType, c.want, c.predicate)
		}
	}
}

// Each word names the kind that it is the name of, and other names none.
func TestKindNamed(t *testing.T) {
	for _, kind := range []artifact.Kinds{artifact.KindSignature, artifact.KindSBOM, artifact.KindAttestation, artifact.KindReport} {
		if got, known := artifact.KindNamed(kind.String()); got != kind || !known {
			t.Errorf("%s: %s, %t", kind, got, known)
		}
	}
	if got, known := artifact.KindNamed("other"); got != 0 || known {
		t.Errorf("other: %s, %t", got, known)
	}
}
