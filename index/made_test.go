package index

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

func TestWhenAnImageWasMade(t *testing.T) {
	for text, want := range map[string]string{
		"2024-01-01T01:00:00.5+01:00": "2024-01-01T00:00:00.5Z", "2013-01-01T00:00:00Z": "2013-01-01T00:00:00Z",
		"2012-12-31T23:59:59Z": "", "0001-01-01T00:00:00Z": "", "1970-01-01T00:00:00Z": "", "1980-01-01T00:00:01Z": "", "yesterday": "", "": "",
	} {
		var at time.Time
		if want != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, want); err != nil {
				t.Fatal(err)
			}
		}
		if got := ConfigMade([]byte(`{"os":"linux","created":"` + text + `"}`)); got != at {
			t.Errorf("a config that says %q: got %s", text, got)
		}
		if got := StatedMade(map[string]string{AnnotationCreated: text}); got != at {
			t.Errorf("an annotation that says %q: got %s", text, got)
		}
	}
	for _, config := range []string{"", "null", "{}", `{"created":null}`, `{"created":5}`, "[", `{"created":"2024-01-01T00:00:00Z"`} {
		if got := ConfigMade([]byte(config)); !got.IsZero() {
			t.Errorf("%q: got %s", config, got)
		}
	}
}

func TestWhatTellsWhenAnImageWasMade(t *testing.T) {
	config, child := digest.FromString("config"), digest.FromString("child")
	image := func(configType string) Manifest {
		return Manifest{ArtifactType: configType, Edges: []Edge{{EdgeLayer, digest.FromString("layer")}, {EdgeConfig, config}}}
	}
	stated := image(oci.MediaTypeImageConfig)
	stated.Annotations = map[string]string{AnnotationCreated: "2024-01-01T00:00:00Z"}
	for name, c := range map[string]struct {
		manifest  Manifest
		config    digest.Digest
		elsewhere bool
	}{
		"an image":              {image(oci.MediaTypeImageConfig), config, true},
		"an image of Docker":    {image(oci.MediaTypeDockerConfig), config, true},
		"an artifact":           {image("application/vnd.oci.empty.v1+json"), "", false},
		"one without a config":  {Manifest{ArtifactType: oci.MediaTypeImageConfig}, "", false},
		"an image that says so": {stated, config, false},
		"an index":              {Manifest{Edges: []Edge{{EdgeManifest, child}}}, "", true},
		"an index of blobs":     {Manifest{Edges: []Edge{{EdgeBlob, child}}}, "", false},
		"an empty index":        {Manifest{}, "", false},
	} {
		if got := c.manifest.ImageConfig(); got != c.config {
			t.Errorf("%s: config %q", name, got)
		}
		if got := c.manifest.MadeElsewhere(); got != c.elsewhere {
			t.Errorf("%s: made elsewhere: %t", name, got)
		}
	}
}

// FuzzConfigMade checks that no config claims to be older than images are.
func FuzzConfigMade(f *testing.F) {
	for _, seed := range []string{`{"created":"2024-01-01T00:00:00Z"}`, `{"created":"1970-01-01T00:00:00Z","Created":"2024-01-01T00:00:00+23:59"}`, `{"created":{}}`, "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		if at := ConfigMade(config); !at.IsZero() && (at.Before(firstImages()) || at.Location() != time.UTC) {
			t.Errorf("%q was made %s", config, at)
		}
	})
}

func TestCreatedOfAKey(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(0, 0).UTC(), time.Date(1950, 1, 1, 0, 0, 0, 999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)} {
		if got := CreatedOf([]byte(timeKey(at))); !got.Equal(at) {
			t.Errorf("got %s, want %s", got, at)
		}
	}
	if got := CreatedOf([]byte("short")); !got.IsZero() {
		t.Errorf("got %s", got)
	}
}
