package shim_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream/shim"
)

// TestLargerThanAnEnvelope has a manifest that begins as an envelope does, and is larger
// than any, pass whole.
func TestLargerThanAnEnvelope(t *testing.T) {
	large := envelopeOf(keptManifest) + strings.Repeat(" ", 16<<20)
	l := newLacking(t, shim.Options{Envelopes: &shim.Envelopes{}}, map[string]said{"GET /v2/app/manifests/v1": image(large)})
	got := l.send(t, http.MethodGet, "/v2/app/manifests/v1", "", map[string]string{"Accept": oci.MediaTypeImageManifest + ", " + oci.MediaTypeDockerImage}, "Docker-Content-Digest")
	if want := digest.FromString(large).String(); got.status != http.StatusOK || got.body != large || got.header["Docker-Content-Digest"] != want {
		t.Errorf("got status %d, %d of %d bytes, header %v", got.status, len(got.body), len(large), got.header)
	}
}

// TestKeepsWhatCanBeServed has the client see the refusal of a manifest that could not
// be served from an envelope.
func TestKeepsWhatCanBeServed(t *testing.T) {
	for _, tt := range []struct {
		name, mediaType string
		want            int
	}{
		{"a media type", oci.MediaTypeImageManifest, http.StatusCreated},
		{"none that a header can have", "application/\u00e9", http.StatusBadRequest},
		{"a long one", "application/" + strings.Repeat("x", 300), http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pushed := strings.Replace(keptManifest, `{"schemaVersion":2,`, `{"schemaVersion":2,"mediaType":"`+tt.mediaType+`",`, 1)
			l := newLackingFunc(t, shim.Options{Envelopes: &shim.Envelopes{}}, func(asked string) said {
				switch {
				case strings.HasPrefix(asked, "PUT /v2/app/manifests/sha256:"):
					return said{status: http.StatusBadRequest}
				case strings.HasPrefix(asked, "PUT "):
					return said{status: http.StatusCreated}
				case strings.HasPrefix(asked, "POST "):
					return said{http.StatusAccepted, map[string]string{"Location": "/v2/app/blobs/uploads/1"}, ""}
				default:
					return said{status: http.StatusNotFound}
				}
			})
			got := l.send(t, http.MethodPut, "/v2/app/manifests/"+digest.FromString(pushed).String(), pushed, map[string]string{"Content-Type": ""})
			if got.status != tt.want {
				t.Errorf("got %+v, want status %d", got, tt.want)
			}
		})
	}
}

// noAliases can't be read just now.
type noAliases struct{}

var errDown = errors.New("the index is down")

func (noAliases) Alias(context.Context, string, digest.Digest) (digest.Digest, error) {
	return "", errDown
}

func (noAliases) SetAlias(context.Context, string, digest.Digest, digest.Digest) error {
	return errDown
}

// TestKeepsNothingWithoutAliases has a push fail by what failed, and not by the
// registry's refusal, which the client would not try again after.
func TestKeepsNothingWithoutAliases(t *testing.T) {
	pushed := strings.Replace(keptManifest, `"layers":[]`, `"layers":[{"mediaType":"text/plain","size":5,"digest":"`+digest.SHA512.FromString("layer").String()+`"}]`, 1)
	l := newLacking(t, shim.Options{Envelopes: &shim.Envelopes{}, Aliases: noAliases{}}, map[string]said{"PUT /v2/app/manifests/v1": {status: http.StatusBadRequest}})
	resp, err := l.RoundTrip(l.request(t, http.MethodPut, "/v2/app/manifests/v1", pushed, nil))
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("got status %d", resp.StatusCode)
	}
	if !errors.Is(err, errDown) {
		t.Errorf("got error %v", err)
	}
}

// TestCompressedEnvelope has an envelope be opened that the registry compresses for the
// client, and not be forgotten by that.
func TestCompressedEnvelope(t *testing.T) {
	wrapped, named := envelopeOf(keptManifest), digest.FromString(keptManifest)
	compressed := image(wrapped)
	compressed.header["Content-Encoding"], compressed.body = "gzip", "compressed"
	first := true
	l := newLackingFunc(t, shim.Options{Envelopes: &shim.Envelopes{}}, func(asked string) said {
		switch asked {
		case "GET /v2/app/manifests/v1":
			if first {
				first = false
				return compressed
			}
			return image(wrapped)
		case "HEAD /v2/app/manifests/v1":
			head := image(wrapped)
			head.body = ""
			return head
		case "GET /v2/app/blobs/" + named.String():
			return said{http.StatusOK, nil, keptManifest}
		default:
			return said{status: http.StatusNotFound}
		}
	})
	accept := map[string]string{"Accept": oci.MediaTypeImageManifest + ", " + oci.MediaTypeDockerImage, "Accept-Encoding": "gzip"}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := l.send(t, method, "/v2/app/manifests/v1", "", accept, "Docker-Content-Digest", "Content-Encoding")
		if !got.is(said{http.StatusOK, map[string]string{"Docker-Content-Digest": named.String()}, map[string]string{http.MethodGet: keptManifest}[method]}) {
			t.Errorf("%s: got %+v", method, got)
		}
	}
}
