package shim_test

import (
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream/shim"
)

// TestTagsOfWhatIsKeptStay has nobody push something else under the tag by which a
// manifest is kept.
func TestTagsOfWhatIsKeptStay(t *testing.T) {
	const other = `{"schemaVersion":2,"layers":[]}`
	tag := oci.KeptTag(digest.FromString(keptManifest))
	named := "/v2/app/manifests/" + digest.FromString(other).String()
	pushed := said{status: http.StatusCreated}
	for _, tt := range []struct {
		name, target, body string
		stands             said
		want               int
	}{
		{"by the tag", "/v2/app/manifests/" + tag, other, image(envelopeOf(keptManifest)), http.StatusForbidden},
		{"by a parameter", named + "?tag=v1&tag=" + tag, other, image(envelopeOf(keptManifest)), http.StatusForbidden},
		{"over what is kept as it is", "/v2/app/manifests/" + tag, other, image(keptManifest), http.StatusForbidden},
		{"what is kept, once more", "/v2/app/manifests/" + tag, keptManifest, image(envelopeOf(keptManifest)), http.StatusCreated},
		{"over what is somebody else's", "/v2/app/manifests/" + tag, other, image(`{"schemaVersion":2}`), http.StatusCreated},
		{"over nothing", "/v2/app/manifests/" + tag, other, said{status: http.StatusNotFound}, http.StatusCreated},
		{"over what can't be looked at now", "/v2/app/manifests/" + tag, other, said{status: http.StatusTooManyRequests}, http.StatusTooManyRequests},
		{"under another tag", "/v2/app/manifests/v1", other, image(envelopeOf(keptManifest)), http.StatusCreated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Envelopes: &shim.Envelopes{}}, map[string]said{
				"GET /v2/app/manifests/" + tag: tt.stands, "PUT /v2/app/manifests/" + tag: pushed, "PUT " + named: pushed, "PUT /v2/app/manifests/v1": pushed,
			})
			if got := l.send(t, http.MethodPut, tt.target, tt.body, nil); got.status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}
