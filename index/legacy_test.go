package index_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

const (
	signed   = `{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":%q,"size":2,"annotations":{"dev.cosignproject.cosign/signature":"MEUC"}}`
	attested = `{"mediaType":"application/vnd.dsse.envelope.v1+json","digest":%q,"size":2,"annotations":{"predicateType":"` + slsa + `"}}`
	slsa     = "https://slsa.dev/provenance/v0.2"
)

// legacyManifest returns a manifest with layers, and further fields.
func legacyManifest(mediaType, fields string, layers ...string) string {
	blob := digest.FromString("{}")
	for i, layer := range layers {
		if strings.Contains(layer, "%q") {
			layers[i] = fmt.Sprintf(layer, blob)
		}
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[%s]%s}`,
		mediaType, blob, strings.Join(layers, ","), fields)
}

func layerOf(mediaType string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, mediaType, digest.FromString("{}"))
}

func TestLegacyReferrers(t *testing.T) {
	sig, att, sbom := tagsOf(digest.FromString("image"))
	subject := fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":2}`, oci.MediaTypeImageManifest, digest.FromString("image"))
	other := strings.Replace(attested, slsa, "https://spdx.dev/Document", 1)
	for name, c := range map[string]struct {
		tag, body, artifactType string
		annotations             map[string]string
	}{
		"a signature":                 {sig, legacyManifest(oci.MediaTypeImageManifest, "", signed), index.TypeCosignSignature, nil},
		"two":                         {sig, legacyManifest(oci.MediaTypeImageManifest, `,"annotations":{"a":"b"}`, signed, signed), index.TypeCosignSignature, map[string]string{"a": "b"}},
		"with types of Docker":        {sig, legacyManifest(oci.MediaTypeDockerImage, "", signed), index.TypeCosignSignature, nil},
		"an attestation":              {att, legacyManifest(oci.MediaTypeImageManifest, "", attested), index.TypeCosignAttestation, map[string]string{"predicateType": slsa}},
		"two of a kind":               {att, legacyManifest(oci.MediaTypeImageManifest, "", attested, attested), index.TypeCosignAttestation, map[string]string{"predicateType": slsa}},
		"of two kinds":                {att, legacyManifest(oci.MediaTypeImageManifest, "", attested, other), index.TypeCosignAttestation, nil},
		"an SBOM":                     {sbom, legacyManifest(oci.MediaTypeImageManifest, "", layerOf("text/spdx+json")), index.TypeCosignSBOM, nil},
		"with its version":            {sbom, legacyManifest(oci.MediaTypeImageManifest, "", layerOf("application/vnd.cyclonedx+xml;version=1.4")), index.TypeCosignSBOM, nil},
		"a signature as attestation":  {att, legacyManifest(oci.MediaTypeImageManifest, "", signed), "", nil},
		"a signature and a layer":     {sig, legacyManifest(oci.MediaTypeImageManifest, "", signed, layerOf("application/vnd.oci.image.layer.v1.tar")), "", nil},
		"an image":                    {sbom, legacyManifest(oci.MediaTypeImageManifest, "", layerOf("application/vnd.oci.image.layer.v1.tar")), "", nil},
		"something like an SBOM":      {sbom, legacyManifest(oci.MediaTypeImageManifest, "", layerOf("text/spdxlike")), "", nil},
		"no layers":                   {sig, legacyManifest(oci.MediaTypeImageManifest, ""), "", nil},
		"what has a subject":          {sig, legacyManifest(oci.MediaTypeImageManifest, subject, signed), "", nil},
		"an index":                    {sig, `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageIndex + `","manifests":[]}`, "", nil},
		"under a tag of another form": {"v1.sig", legacyManifest(oci.MediaTypeImageManifest, "", signed), "", nil},
	} {
		m, err := index.ParseManifest("", digest.SHA256, []byte(c.body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		entry, is := index.LegacyReferrer(c.tag, m, []byte(c.body))
		want := oci.Descriptor{}
		if c.artifactType != "" {
			want = oci.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, ArtifactType: c.artifactType,
				Annotations: c.annotations, Legacy: true, Tag: c.tag}
		}
		if is != (c.artifactType != "") || !reflect.DeepEqual(entry, want) {
			t.Errorf("%s: got %+v, want %+v", name, entry, want)
		}
		if _, lifted := m.Annotations[index.AnnotationPredicateType]; lifted {
			t.Errorf("%s: the manifest itself was changed", name)
		}
	}
}

func tagsOf(subject digest.Digest) (sig, att, sbom string) {
	tags := oci.CosignTags(subject)
	return tags[0], tags[1], tags[2]
}

// What stands under a tag of cosign is anyone's.
func FuzzLegacyReferrer(f *testing.F) {
	sig, att, sbom := tagsOf(digest.FromString("image"))
	for _, tag := range []string{sig, att, sbom} {
		for _, layer := range []string{signed, attested, layerOf("text/spdx+json"), layerOf(""), `null`} {
			f.Add(tag, []byte(legacyManifest(oci.MediaTypeImageManifest, "", layer)))
		}
	}
	f.Fuzz(func(t *testing.T, tag string, body []byte) {
		m, err := index.ParseManifest("", digest.SHA256, body)
		if err != nil {
			return
		}
		entry, is := index.LegacyReferrer(tag, m, body)
		if !is {
			if !reflect.DeepEqual(entry, oci.Descriptor{}) {
				t.Errorf("none, and %+v", entry)
			}
			return
		}
		if m.Subject() != "" || !oci.IsCosignTag(tag) || entry.Digest != m.Digest || entry.Size != m.Size ||
			!entry.Legacy || entry.Tag != tag || entry.ArtifactType == m.ArtifactType && m.ArtifactType == "" {
			t.Errorf("%+v of %+v", entry, m)
		}
	})
}
