package index_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

const (
	blobField    = `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
	imageFields  = `"schemaVersion":2,"config":` + blobField + `,"layers":[]`
	indexFields  = `"schemaVersion":2,"manifests":[]`
	subjectField = `,"subject":` + blobField
)

func stating(mediaType string) string {
	return fmt.Sprintf(`"mediaType":%q,`, mediaType)
}

// What a registry serves a manifest as counts only where it says something.
func TestParseServed(t *testing.T) {
	const custom = "application/vnd.example.manifest.v1+json"
	for _, served := range []string{"", "text/plain", "text/plain; charset=utf-8", "application/octet-stream", "application/json", "nonsense;;"} {
		for body, want := range map[string]string{
			`{` + stating(oci.MediaTypeImageManifest) + imageFields + `}`: oci.MediaTypeImageManifest,
			`{` + stating(oci.MediaTypeDockerImage) + imageFields + `}`:   oci.MediaTypeDockerImage,
			`{` + stating(oci.MediaTypeImageIndex) + indexFields + `}`:    oci.MediaTypeImageIndex,
			`{` + stating(custom) + `"schemaVersion":2}`:                  custom,
			`{` + imageFields + `}`:                                       oci.MediaTypeImageManifest,
			`{` + imageFields + subjectField + `}`:                        oci.MediaTypeImageManifest,
			`{` + indexFields + `}`:                                       oci.MediaTypeImageIndex,
			`{"schemaVersion":1,"fsLayers":[]}`:                           "application/vnd.docker.distribution.manifest.v1+json",
			`{"schemaVersion":1,"fsLayers":[],"signatures":[]}`:           "application/vnd.docker.distribution.manifest.v1+prettyjws",
		} {
			got, err := index.ManifestLimits{}.ParseServed(served, digest.SHA256, []byte(body))
			if err != nil || got.MediaType != want || got.Digest != digest.FromString(body) {
				t.Errorf("%q %s: %q, %v", served, body, got.MediaType, err)
			}
		}
	}
	for served, body := range map[string]string{
		custom:                     `{"schemaVersion":2}`,
		oci.MediaTypeImageManifest: `{` + imageFields + `}`,
	} {
		if got, err := (index.ManifestLimits{}).ParseServed(served, digest.SHA256, []byte(body)); err != nil || got.MediaType != served {
			t.Errorf("%q %s: %q, %v", served, body, got.MediaType, err)
		}
	}
}

func TestServedManifestsThatCantBeTold(t *testing.T) {
	for _, c := range []struct {
		served, body string
		// listed says that it may be a referrer all the same.
		listed bool
	}{
		{"text/plain", `{"schemaVersion":2` + subjectField + `}`, true},
		{"text/plain", `{"schemaVersion":1,"config":` + blobField + subjectField + `}`, true},
		{"", `{"schemaVersion":2,"blobs":[]` + subjectField + `}`, true},
		{"text/plain", `{"schemaVersion":2}`, false},
		{"text/plain", `{}`, false},
		{"text/html", `<html>`, false},
		{"text/plain", `{` + imageFields + `,"manifests":[]` + subjectField + `}`, false},
		{oci.MediaTypeImageIndex, `{` + stating(oci.MediaTypeImageManifest) + imageFields + `}`, false},
		{"application/vnd.one", `{` + stating("application/vnd.other") + `"schemaVersion":2}`, false},
	} {
		_, err := index.ManifestLimits{}.ParseServed(c.served, digest.SHA256, []byte(c.body))
		if err == nil || errors.Is(err, index.ErrManifest) == c.listed || errors.Is(err, index.ErrMediaType) && !c.listed && c.served == oci.MediaTypeImageIndex {
			t.Errorf("%q %s: %v", c.served, c.body, err)
		}
	}
}

func TestDoubtfulEntries(t *testing.T) {
	entry := func(mediaType, name string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1}`, mediaType, digest.FromString(name))
	}
	body := `{"schemaVersion":2,"manifests":[` + entry(oci.MediaTypeImageManifest, "image") + "," +
		entry("application/vnd.oci.image.layer.v1.tar+gzip", "layer") + "," + entry("application/vnd.buildkit.cacheconfig.v0", "config") + "," +
		entry("", "untyped") + "," + entry("application/vnd.example.thing", "thing") + `]}`
	got := index.DoubtfulEntries([]byte(body))
	if len(got) != 1 || got[0] != digest.FromString("thing") {
		t.Errorf("got %v", got)
	}
	if got := index.DoubtfulEntries([]byte(`{"manifests":7}`)); got != nil {
		t.Errorf("got %v", got)
	}
}
