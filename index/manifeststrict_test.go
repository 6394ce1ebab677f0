package index_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// TestManifestIsReadInOneWay checks that what a registry may read differently
// is told apart from what is only wrong.
func TestManifestIsReadInOneWay(t *testing.T) {
	for name, c := range map[string]struct {
		sent, body string
		want       error
	}{
		"two subjects":                {"", `{"subject":{"digest":"$subject"},"subject":{"digest":"$config"}}`, strictjson.ErrAmbiguous},
		"a subject, then none":        {"", `{"subject":{"digest":"$subject"},"subject":null}`, strictjson.ErrAmbiguous},
		"a subject in another case":   {"", `{"Subject":{"digest":"$subject"}}`, strictjson.ErrAmbiguous},
		"a subject with two digests":  {"", `{"subject":{"digest":"$subject","digest":"$config"}}`, strictjson.ErrAmbiguous},
		"two media types":             {"", `{"mediaType":"a/b","mediaType":"c/d"}`, strictjson.ErrAmbiguous},
		"two versions of the schema":  {"", `{"schemaVersion":1,"schemaVersion":2}`, strictjson.ErrAmbiguous},
		"two artifact types":          {"", `{"artifactType":"a/b","artifactType":"c/d"}`, strictjson.ErrAmbiguous},
		"an annotation twice":         {"", `{"annotations":{"a":"1","a":"2"}}`, strictjson.ErrAmbiguous},
		"another media type than its": {oci.MediaTypeImageManifest, `{"mediaType":"` + oci.MediaTypeImageIndex + `"}`, strictjson.ErrAmbiguous},
		"layers and manifests":        {"", `{"layers":[],"manifests":[]}`, strictjson.ErrAmbiguous},
		"config and manifests":        {"a/b", `{"config":{"digest":"$config"},"manifests":[]}`, strictjson.ErrAmbiguous},
		"an index with layers":        {oci.MediaTypeImageIndex, `{"layers":[]}`, strictjson.ErrAmbiguous},
		"an image with manifests":     {oci.MediaTypeImageManifest, `{"manifests":[]}`, strictjson.ErrAmbiguous},
		"something behind it":         {"", `{"subject":{"digest":"$subject"}} {}`, strictjson.ErrSyntax},
		"bytes that are no UTF-8":     {"", "{\"artifactType\":\"\xc0\xaf\"}", strictjson.ErrAmbiguous},
		"nesting":                     {"", `{"x":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`, strictjson.ErrLimit},
		"layers":                      {"", `{"layers":[` + strings.Repeat("0,", 8) + `0]}`, strictjson.ErrLimit},
		"annotations":                 {"", `{"annotations":{"a":"","b":"","c":"","d":"","e":"","f":""}}`, strictjson.ErrLimit},
		"a name nobody interprets":    {"", `{"x":1,"x":2,"layers":[{"digest":"$layer1","size":1,"size":2}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			limits := index.ManifestLimits{Depth: 8, Descriptors: 8, Annotations: 5}
			_, err := limits.Parse(c.sent, digest.SHA256, []byte(expand(c.body)))
			if !errors.Is(err, c.want) || c.want != nil && !errors.Is(err, index.ErrManifest) {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// FuzzParseManifest checks that whatever is parsed is what a record may hold,
// and is not read differently when it is parsed again, nor by a reader that
// decodes it as the image specification has it.
func FuzzParseManifest(f *testing.F) {
	f.Add(oci.MediaTypeImageManifest, []byte(expand(`{"config":{"mediaType":"a/b","digest":"$config"},"subject":{"digest":"$512:subject"}}`)))
	f.Add("", []byte(expand(`{"mediaType":"x/y","manifests":[{"digest":"$child1"}],"annotations":{"a":"\ud800"}}`)))
	f.Add("a/b;c=d", []byte(expand(`{"fsLayers":[{"blobSum":"$layer1"}],"blobs":[{"digest":"$layer1"}]}`)))
	f.Add("", []byte(expand(`{"subject":{"digest":"$subject"},"Subject":{"digest":"$config"}}`)))
	f.Add("", []byte(expand(`{"subject":{"digest":"$subject"},"subject":{"digest":"$config","mediaType":"a"}}`)))
	f.Add(oci.MediaTypeImageIndex, []byte(expand(`{"artifactType":"a/b","manifests":[{"digest":"$child1"}],"layers":null}`)))
	f.Add("", []byte(`null`))
	f.Fuzz(func(t *testing.T, sent string, body []byte) {
		manifest, err := index.ParseManifest(sent, digest.SHA256, body)
		if err != nil {
			if !errors.Is(err, index.ErrManifest) {
				t.Fatalf("got error %v", err)
			}
			return
		}
		seen := make(map[index.Edge]bool)
		for i, edge := range manifest.Edges {
			if err := edge.Target.Validate(); err != nil {
				t.Fatal(err)
			}
			if seen[edge] || edge.Kind == index.EdgeSubject && i > 0 {
				t.Fatalf("edge %d of %v", i, manifest.Edges)
			}
			seen[edge] = true
		}
		again, err := index.ParseManifest(manifest.MediaType, digest.SHA256, body)
		if err != nil && sent != "" {
			t.Fatalf("parsed as %q, but not again: %v", manifest.MediaType, err)
		}
		if err == nil && sent != "" && !reflect.DeepEqual(again, manifest) {
			t.Fatalf("got %+v, then %+v", manifest, again)
		}
		wantLikeSpecification(t, manifest, body)
	})
}

// wantLikeSpecification compares what was read with what the structures of the
// image specification hold, where they can be decoded.
func wantLikeSpecification(t *testing.T, got index.Manifest, body []byte) {
	t.Helper()
	var image specs.Manifest
	var list specs.Index
	if json.Unmarshal(body, &image) != nil || json.Unmarshal(body, &list) != nil {
		return
	}
	var subject digest.Digest
	if image.Subject != nil {
		subject = image.Subject.Digest
	}
	targets := map[digest.Digest]bool{}
	for _, d := range append(image.Layers, list.Manifests...) {
		targets[d.Digest] = true
	}
	for _, edge := range got.Edges {
		delete(targets, edge.Target)
	}
	artifactType := image.ArtifactType
	if artifactType == "" {
		artifactType = image.Config.MediaType
	}
	if got.Subject() != subject || got.ArtifactType != artifactType || len(targets) > 0 ||
		len(got.Annotations)+len(image.Annotations) > 0 && !reflect.DeepEqual(got.Annotations, image.Annotations) {
		t.Fatalf("read %+v, the specification has %+v and %+v", got, image, list)
	}
}
