package shim_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream/shim"
)

// keptManifest is a manifest that a registry refuses, and envelopeOf its envelope.
const keptManifest = `{"schemaVersion":2,"config":{"mediaType":"application/vnd.example","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}`

func envelopeOf(manifest string) string {
	named := digest.FromString(manifest)
	return fmt.Sprintf(`{"schemaVersion":2,"annotations":{"io.backref.envelope":%q,"io.backref.envelope.mediaType":%q},"mediaType":%q,`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":%d,"digest":%q}]}`,
		named, oci.MediaTypeImageManifest, oci.MediaTypeImageManifest, len(manifest), named)
}

// image is an answer with a manifest.
func image(body string) said {
	return said{http.StatusOK, map[string]string{
		"Content-Type": oci.MediaTypeImageManifest, "Docker-Content-Digest": digest.FromString(body).String(),
	}, body}
}

// TestDeletesAnEnvelopeByWhatIsInItAlone has an envelope stay that is asked to be
// deleted by its own digest, which anybody can work out: what a locked tag stands for is
// what is in it.
func TestDeletesAnEnvelopeByWhatIsInItAlone(t *testing.T) {
	wrapped := envelopeOf(keptManifest)
	at := func(body string) string { return "/v2/app/manifests/" + digest.FromString(body).String() }
	gone := said{status: http.StatusAccepted}
	for _, tt := range []struct {
		name, target string
		answers      map[string]said
		want         int
	}{
		{"an envelope", at(wrapped), map[string]said{"GET " + at(wrapped): image(wrapped), "DELETE " + at(wrapped): gone}, http.StatusForbidden},
		{"an image", at(keptManifest), map[string]said{"GET " + at(keptManifest): image(keptManifest), "DELETE " + at(keptManifest): gone}, http.StatusAccepted},
		{"what can't be read", at(wrapped), map[string]said{"GET " + at(wrapped): {status: http.StatusForbidden}, "DELETE " + at(wrapped): gone}, http.StatusAccepted},
		{"what can't be looked at now", at(wrapped), map[string]said{"GET " + at(wrapped): {status: http.StatusServiceUnavailable}, "DELETE " + at(wrapped): gone}, http.StatusServiceUnavailable},
		{"what the registry fails to read", at(wrapped), map[string]said{"GET " + at(wrapped): {status: http.StatusInternalServerError}, "DELETE " + at(wrapped): gone}, http.StatusAccepted},
		{"what is in one", at(keptManifest), map[string]said{
			"GET /v2/app/manifests/" + oci.KeptTag(digest.FromString(keptManifest)): image(wrapped), "DELETE " + at(wrapped): gone,
		}, http.StatusAccepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Envelopes: &shim.Envelopes{}}, tt.answers)
			if got := l.send(t, http.MethodDelete, tt.target, "", nil); got.status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}
