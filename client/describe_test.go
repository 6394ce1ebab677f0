package client

import (
	"encoding/json"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		want string
		d    oci.Descriptor
	}{
		{"SPDX SBOM", oci.Descriptor{ArtifactType: "application/spdx+json"}},
		{"SPDX SBOM", oci.Descriptor{ArtifactType: "application/spdx+json;version=2.3"}},
		{"CycloneDX SBOM", oci.Descriptor{ArtifactType: "application/vnd.cyclonedx+xml"}},
		{"notation signature", oci.Descriptor{ArtifactType: "application/vnd.cncf.notary.signature"}},
		{"sigstore bundle", oci.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json"}},
		{"sigstore bundle: SLSA provenance", oci.Descriptor{ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
			Annotations: map[string]string{annotationPredicate: "https://slsa.dev/provenance/v1"}}},
		{"in-toto attestation: https://example.com/other", oci.Descriptor{ArtifactType: "application/vnd.in-toto+json",
			Annotations: map[string]string{annotationInToto: "https://example.com/other"}}},
		{"application/vnd.example", oci.Descriptor{ArtifactType: "application/vnd.example"}},
		{"application/spdx+jsonlike", oci.Descriptor{ArtifactType: "application/spdx+jsonlike"}},
		{"image index", oci.Descriptor{MediaType: oci.MediaTypeImageIndex}},
		{"image", oci.Descriptor{MediaType: oci.MediaTypeImageManifest, ArtifactType: "application/vnd.oci.image.config.v1+json"}},
		{"application/vnd.docker.distribution.manifest.v1+json", oci.Descriptor{MediaType: "application/vnd.docker.distribution.manifest.v1+json"}},
	} {
		if got := Describe(c.d); got != c.want {
			t.Errorf("%v: %q, want %q", c.d, got, c.want)
		}
	}
}

func TestSigner(t *testing.T) {
	notation := Manifest{index.Manifest{Annotations: map[string]string{claim.AnnotationThumbprints: `["2cb69d134af893062cb69d134af89306","aa"]`}}, []byte(`{}`)}
	if got := Signer(notation); got != "x509 2cb69d134af89306" {
		t.Errorf("notation: %q", got)
	}
	body, err := json.Marshal(map[string]any{"layers": []any{map[string]any{"annotations": map[string]string{claim.AnnotationCertificate: "not PEM"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := Signer(Manifest{Body: body}); got != "" {
		t.Errorf("of a certificate that is none: %q", got)
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"application/spdx+json":       "application/spdx+json",
		"größe 大 \"quoted\" 😀":        "größe 大 \"quoted\" 😀",
		`a\b`:                         `a\b`,
		"\x1b]0;title\a\x1b[2J":       `\x1b]0;title\a\x1b[2J`,
		"line\r\nbreak\ttab":          `line\r\nbreak\ttab`,
		"\u009b31m":                   `\u009b31m`,
		"turned \u202e round":         `turned \u202e round`,
		"in\xffvalid":                 `in\xffvalid`,
		"replacement \ufffd is known": "replacement \ufffd is known",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
