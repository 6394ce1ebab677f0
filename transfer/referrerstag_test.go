package transfer

import (
	"reflect"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func manifest(name string) client.Manifest {
	return client.Manifest{Manifest: index.Manifest{
		Digest: digest.FromString(name), MediaType: oci.MediaTypeImageManifest, Size: 7,
		ArtifactType: "application/vnd.example", Annotations: map[string]string{"name": name},
	}}
}

func TestMerge(t *testing.T) {
	others := ocispec.Descriptor{Digest: digest.FromString("others"), Size: 1, Platform: &ocispec.Platform{OS: "plan9"}}
	bare := manifest("b").Entry()
	bare.Annotations = nil
	for name, c := range map[string]struct {
		entries  []ocispec.Descriptor
		add      []client.Manifest
		want     []ocispec.Descriptor
		complete bool
	}{
		"into nothing":       {nil, []client.Manifest{manifest("a")}, []ocispec.Descriptor{manifest("a").Entry()}, false},
		"others stay":        {[]ocispec.Descriptor{others}, []client.Manifest{manifest("a")}, []ocispec.Descriptor{others, manifest("a").Entry()}, false},
		"there already":      {[]ocispec.Descriptor{manifest("a").Entry(), others}, []client.Manifest{manifest("a")}, []ocispec.Descriptor{manifest("a").Entry(), others}, true},
		"said more":          {[]ocispec.Descriptor{bare, others}, []client.Manifest{manifest("b")}, []ocispec.Descriptor{manifest("b").Entry(), others}, false},
		"the same one twice": {nil, []client.Manifest{manifest("a"), manifest("a")}, []ocispec.Descriptor{manifest("a").Entry()}, false},
	} {
		got, complete := merge(c.entries, c.add)
		if !reflect.DeepEqual(got, c.want) || complete != c.complete {
			t.Errorf("%s: %v, %t", name, got, complete)
		}
	}
}

func TestAddRoot(t *testing.T) {
	named := func(name, tag string) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: digest.FromString(name), Size: 7}
		if tag != "" {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
		}
		return d
	}
	for name, c := range map[string]struct {
		entries []ocispec.Descriptor
		tag     string
		want    []ocispec.Descriptor
	}{
		"into nothing":          {nil, "v1", []ocispec.Descriptor{named("a", "v1")}},
		"again":                 {[]ocispec.Descriptor{named("a", "v1")}, "v1", []ocispec.Descriptor{named("a", "v1")}},
		"a second name":         {[]ocispec.Descriptor{named("a", "v1")}, "v2", []ocispec.Descriptor{named("a", "v2"), named("a", "v1")}},
		"the name of another":   {[]ocispec.Descriptor{named("b", "v1")}, "v1", []ocispec.Descriptor{named("a", "v1"), named("b", "")}},
		"a first name":          {[]ocispec.Descriptor{named("a", "")}, "v1", []ocispec.Descriptor{named("a", "v1")}},
		"without name":          {nil, "", []ocispec.Descriptor{named("a", "")}},
		"without name, has one": {[]ocispec.Descriptor{named("a", "v1")}, "", []ocispec.Descriptor{named("a", "v1")}},
	} {
		if got := addRoot(c.entries, manifest("a"), c.tag); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMatchPlatform(t *testing.T) {
	entry := func(os, architecture, variant string) ocispec.Descriptor {
		return ocispec.Descriptor{Platform: &ocispec.Platform{OS: os, Architecture: architecture, Variant: variant}}
	}
	entries := []ocispec.Descriptor{entry("linux", "amd64", ""), entry("linux", "arm", "v6"), entry("linux", "arm", "v7"), {}, entry("linux", "arm64", "v8")}
	for platform, want := range map[string]int{
		"linux/amd64": 1, "linux/arm": 2, "linux/arm/v7": 1, "linux/arm64": 1, "linux": 0, "windows/amd64": 0, "linux/arm/v": 0,
	} {
		if got := matchPlatform(entries, platform); len(got) != want {
			t.Errorf("%s: %v", platform, got)
		}
	}
}
