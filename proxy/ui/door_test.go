package ui

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/zap/zaptest"

	"github.com/backref/backref/oci"
)

// fakeDoor answers as a door would: paths with their queries, or without where it has
// no such query.
type fakeDoor map[string]fakeAnswer

type fakeAnswer struct {
	status          int
	mediaType, body string
	link            string
}

func (d fakeDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, found := d[r.URL.RequestURI()]
	if !found {
		answer, found = d[r.URL.Path]
	}
	if !found {
		answer = fakeAnswer{status: http.StatusNotFound, body: `{"errors":[{"code":"NAME_UNKNOWN"}]}`}
	}
	w.Header().Set("Content-Type", answer.mediaType)
	if answer.link != "" {
		w.Header().Set("Link", "<"+answer.link+`>; rel="next"`)
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	_, _ = w.Write([]byte(answer.body))
}

// manifest keeps a manifest under its digest and a tag.
func (d fakeDoor) manifest(tag string, m any) ocispec.Descriptor {
	body := asJSON(m)
	var stated struct {
		MediaType    string
		ArtifactType string
		Annotations  map[string]string
	}
	_ = json.Unmarshal([]byte(body), &stated)
	answer := fakeAnswer{mediaType: stated.MediaType, body: body}
	described := ocispec.Descriptor{MediaType: stated.MediaType, Digest: digest.FromString(body), Size: int64(len(body)), ArtifactType: stated.ArtifactType, Annotations: stated.Annotations}
	for _, reference := range []string{tag, described.Digest.String()} {
		if reference != "" {
			d["/v2/app/manifests/"+reference] = answer
		}
	}
	return described
}

// blob keeps a blob.
func (d fakeDoor) blob(mediaType, body string) ocispec.Descriptor {
	described := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(body), Size: int64(len(body))}
	d["/v2/app/blobs/"+described.Digest.String()] = fakeAnswer{mediaType: "application/octet-stream", body: body}
	return described
}

// list answers an endpoint of the extension; a query after it is that of one request.
func (d fakeDoor) list(endpoint string, page any, link string) {
	d["/v2/app/_backref/"+endpoint] = fakeAnswer{mediaType: "application/json", body: asJSON(page), link: link}
}

func asJSON(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// newPages returns pages before a door.
func newPages(t *testing.T, door http.Handler, judge Judge) *UI {
	t.Helper()
	u, err := New(Options{
		Base: "/ui", Door: door, Elsewhere: http.DefaultTransport, Judge: judge, Log: zaptest.NewLogger(t),
		Viewers: ViewersFunc(func(*http.Request) (Viewer, error) { return Viewer{Name: "alice"}, nil }),
		Place:   func(*http.Request) Place { return Place{Host: "registry.example:5000"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newFakeImage returns a door with an image whose config, history and labels say what
// is given.
func newFakeImage(says string) (fakeDoor, ocispec.Descriptor) {
	door := fakeDoor{}
	config := door.blob(oci.MediaTypeImageConfig, asJSON(map[string]any{
		"os": "linux", "architecture": "amd64", "created": "2026-01-02T03:04:05Z", "author": says,
		"config": map[string]any{
			"Env": []string{says}, "Entrypoint": []string{"/app", says}, "Cmd": []string{says}, "User": says, "WorkingDir": says,
			"Labels": map[string]string{says: says}, "ExposedPorts": map[string]any{says: 1}, "Volumes": map[string]any{says: 1},
		},
		"history": []map[string]any{{"created_by": says}, {"created_by": "ENV", "empty_layer": true}},
	}))
	layer := ocispec.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: digest.FromString("layer"), Size: 2048}
	image := door.manifest("v1", map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": config, "layers": []any{layer},
		"annotations": map[string]string{"org.opencontainers.image.source": "https://example.org/source", "note": says},
	})
	door.list("catalog/tags", map[string]any{"tags": []any{map[string]any{
		"tag": "v1", "mediaType": image.MediaType, "digest": image.Digest, "size": image.Size, "artifactType": oci.MediaTypeImageConfig, "created": "2026-01-02T03:04:05Z",
	}}}, "")
	door.list("graph/parents", map[string]any{"parents": []any{map[string]any{"kind": "layer", "descriptor": image}}}, "")
	door.list("graph/referrers", map[string]any{"manifests": []any{}}, "")
	return door, image
}

// newAttached attaches a document to a subject, and returns it.
func newAttached(door fakeDoor, subject ocispec.Descriptor, artifactType, content, says string) ocispec.Descriptor {
	layer := door.blob(artifactType, content)
	return door.manifest("", map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": artifactType,
		"config": door.blob("application/vnd.oci.empty.v1+json", "{}"), "layers": []any{layer},
		"subject": ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}, "annotations": map[string]string{"note": says},
	})
}
