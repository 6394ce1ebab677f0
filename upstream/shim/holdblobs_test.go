package shim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream/shim"
)

// TestHoldsBlobsUnderItsOwnTagAlone has an envelope not take the place of what somebody
// else has under the tag.
func TestHoldsBlobsUnderItsOwnTagAlone(t *testing.T) {
	named, kept := digest.SHA512.FromString("layer"), digest.FromString("layer")
	pushed := strings.Replace(keptManifest, `"layers":[]`, `"layers":[{"mediaType":"text/plain","size":5,"digest":"`+named.String()+`"}]`, 1)
	tag := "/v2/app/manifests/" + oci.KeptTag(digest.FromString(pushed))
	for name, tt := range map[string]struct {
		stands said
		holds  bool
	}{
		"nothing":         {said{status: http.StatusNotFound}, true},
		"somebody else's": {image(`{"schemaVersion":2}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			aliases := &known{all: map[string]digest.Digest{"app " + named.String(): kept}}
			put := false
			l := newLackingFunc(t, shim.Options{Envelopes: &shim.Envelopes{}, Aliases: aliases}, func(asked string) said {
				put = put || asked == "PUT "+tag
				switch {
				case asked == "GET "+tag, asked == "HEAD "+tag:
					return tt.stands
				case strings.HasPrefix(asked, "HEAD /v2/app/blobs/"):
					return said{status: http.StatusOK}
				default:
					return said{status: http.StatusCreated}
				}
			})
			if got := l.send(t, http.MethodPut, "/v2/app/manifests/v1", pushed, nil); got.status != http.StatusCreated || put != tt.holds {
				t.Errorf("got %+v, an envelope was pushed: %v", got, put)
			}
		})
	}
}
