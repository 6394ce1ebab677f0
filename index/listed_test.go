package index_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// The longest annotations of a descriptor that is too long are left out and
// named; the short ones stay.
func TestListedDescriptors(t *testing.T) {
	d := oci.Descriptor{
		MediaType: oci.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 7, ArtifactType: "application/vnd.example",
		Annotations: map[string]string{"created": "2026-01-01T00:00:00Z", "long": strings.Repeat("l", 5000), "longer": strings.Repeat("m", 5001)},
	}
	encoded, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if same, err := index.Listed(encoded, len(encoded)); err != nil || string(same) != string(encoded) {
		t.Errorf("one that fits: %s, %v", same, err)
	}
	for _, c := range []struct {
		most    int
		omitted string
	}{{6000, "longer"}, {1000, "longer,long"}} {
		var got oci.Descriptor
		listed, err := index.Listed(encoded, c.most)
		if err != nil || len(listed) > c.most || json.Unmarshal(listed, &got) != nil {
			t.Fatalf("%d: %d bytes, %v", c.most, len(listed), err)
		}
		if got.Annotations[index.AnnotationOmitted] != c.omitted || got.Annotations["created"] != d.Annotations["created"] || got.ArtifactType != d.ArtifactType {
			t.Errorf("%d: %+v", c.most, got)
		}
	}
	d.Annotations = map[string]string{}
	for i := range 1000 {
		d.Annotations[fmt.Sprintf("%s-%d", strings.Repeat("n", 200), i)] = "v"
	}
	if encoded, err = d.Encode(); err != nil {
		t.Fatal(err)
	}
	if listed, err := index.Listed(encoded, 1000); err != nil || len(listed) > 1000 || !strings.Contains(string(listed), "and 99") {
		t.Errorf("many names: %d bytes, %v: %s", len(listed), err, listed)
	}
}
