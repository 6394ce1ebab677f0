package transfer

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// What is adopted is found again by its digest, so that its bytes may never
// change.
func TestAdoptedBytes(t *testing.T) {
	parse := func(text string) client.Manifest {
		t.Helper()
		m, err := client.ParseManifest("", digest.FromString(text), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const blob = `"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2`
	const image = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",` + blob + `},"layers":[]}`
	const layer = `{"mediaType":"application/vnd.dsse.envelope.v1+json",` + blob + `,"annotations":{"predicateType":"https://slsa.dev/provenance/v0.2","by":"<a&b>"}}`
	const config = `{"mediaType":"application/vnd.docker.container.image.v1+json",` + blob + `}`
	subject := parse(image)
	tag := oci.CosignTags(subject.Digest)[1]
	legacy, is := client.NewLegacy(tag, parse(`{"schemaVersion":2, "layers":[`+layer+`],
		"annotations":{"z":"1","a":"2"}, "mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":`+config+`}`))
	if !is {
		t.Fatal("it is not taken for what cosign keeps")
	}
	m, err := adopted(legacy, subject)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.dev.cosign.artifact.att.v1+json",` +
		`"config":` + config + `,"layers":[` + layer + `],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"digest":"` + digest.FromString(image).String() + `","size":246},` +
		`"annotations":{"a":"2","predicateType":"https://slsa.dev/provenance/v0.2","z":"1"}}`
	if string(m.Body) != want || m.Subject() != subject.Digest || m.Digest != digest.FromString(want) {
		t.Errorf("got  %s\nwant %s", m.Body, want)
	}
}
