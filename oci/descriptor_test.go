package oci_test

import (
	"testing"

	"github.com/backref/backref/oci"
)

func TestEncodeDescriptor(t *testing.T) {
	descriptor := oci.Descriptor{
		MediaType: "a/b", Digest: "sha256:1", Size: 2, ArtifactType: "c/d+e",
		Annotations: map[string]string{"z": "<a href=\"?b&c\">", "a": "ü\n"},
	}
	got, err := descriptor.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mediaType":"a/b","digest":"sha256:1","size":2,"artifactType":"c/d+e","annotations":{"a":"ü\n","z":"<a href=\"?b&c\">"}}`
	if string(got) != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
