package shim_test

import (
	"net/http"
	"strconv"
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

// TestConditionsOfATag has the registry judge a condition by what it has under the tag.
func TestConditionsOfATag(t *testing.T) {
	const other = `{"schemaVersion":2,"layers":[]}`
	wrapped := envelopeOf(keptManifest)
	quoted := func(body string) string { return strconv.Quote(digest.FromString(body).String()) }
	for _, tt := range []struct {
		name, header, given, want string
		stands                    said
	}{
		{"what is in an envelope", "If-Match", quoted(keptManifest), quoted(wrapped), image(wrapped)},
		{"one of two", "If-Match", quoted(other) + ", " + quoted(keptManifest), quoted(other) + ", " + quoted(wrapped), image(wrapped)},
		{"not what is in one", "If-None-Match", quoted(keptManifest), quoted(wrapped), image(wrapped)},
		{"nothing", "If-None-Match", "*", "*", image(wrapped)},
		{"an image", "If-Match", quoted(keptManifest), quoted(keptManifest), image(keptManifest)},
		{"what isn't there", "If-Match", quoted(keptManifest), quoted(keptManifest), said{status: http.StatusNotFound}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLacking(t, shim.Options{Envelopes: &shim.Envelopes{}}, map[string]said{
				"GET /v2/app/manifests/v1": tt.stands, "PUT /v2/app/manifests/v1": {status: http.StatusCreated},
			})
			got := l.send(t, http.MethodPut, "/v2/app/manifests/v1", other, map[string]string{tt.header: tt.given})
			if got.status != http.StatusCreated || l.conditions != tt.want {
				t.Errorf("got %+v, and the registry the condition %s, want %s", got, l.conditions, tt.want)
			}
		})
	}
}
