package compare_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/compare"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// graph keeps manifests and blobs in memory.
type graph struct {
	t         *testing.T
	manifests map[digest.Digest]client.Manifest
	blobs     map[digest.Digest]string
	referrers map[digest.Digest][]oci.Descriptor
}

func newGraph(t *testing.T) *graph {
	return &graph{t, map[digest.Digest]client.Manifest{}, map[digest.Digest]string{}, map[digest.Digest][]oci.Descriptor{}}
}

func (g *graph) Entry(_ context.Context, d ocispec.Descriptor) (client.Manifest, bool, error) {
	m, is := g.manifests[d.Digest]
	if !is {
		return m, true, fmt.Errorf("%s: %w", d.Digest, client.ErrNotFound)
	}
	return m, true, nil
}

func (g *graph) Blob(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	content, is := g.blobs[d.Digest]
	if !is {
		return nil, fmt.Errorf("%s: %w", d.Digest, client.ErrNotFound)
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func (g *graph) Referrers(_ context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	return client.Select(g.referrers[subject], query), nil
}

func (g *graph) blob(mediaType, content string) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
	g.blobs[d.Digest] = content
	return d
}

func (g *graph) put(mediaType string, manifest any) client.Manifest {
	g.t.Helper()
	body, err := json.Marshal(manifest)
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := client.ParseManifest(mediaType, digest.FromBytes(body), body)
	if err != nil {
		g.t.Fatal(err)
	}
	g.manifests[m.Digest] = m
	if subject := m.Subject(); subject != "" {
		g.referrers[subject] = append(g.referrers[subject], m.Descriptor())
	}
	return m
}

func (g *graph) image(config string, layers ...string) client.Manifest {
	m := ocispec.Manifest{MediaType: oci.MediaTypeImageManifest, Config: g.blob(oci.MediaTypeImageConfig, config)}
	m.SchemaVersion = 2
	for _, layer := range layers {
		m.Layers = append(m.Layers, g.blob("application/vnd.oci.image.layer.v1.tar", layer))
	}
	return g.put(oci.MediaTypeImageManifest, m)
}

// attach attaches a document to a manifest.
func (g *graph) attach(subject client.Manifest, artifactType, document string, annotations map[string]string) client.Manifest {
	about := subject.Entry()
	m := ocispec.Manifest{
		MediaType: oci.MediaTypeImageManifest, ArtifactType: artifactType, Subject: &about, Annotations: annotations,
		Config: g.blob("application/vnd.oci.empty.v1+json", "{}"), Layers: []ocispec.Descriptor{g.blob("application/json", document)},
	}
	m.SchemaVersion = 2
	return g.put(oci.MediaTypeImageManifest, m)
}

func spdx(packages ...string) string {
	var entries []string
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "@")
		version, licence, _ := strings.Cut(version, " ")
		entries = append(entries, fmt.Sprintf(`{"name":%q,"versionInfo":%q,"licenseDeclared":%q,"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:apk/alpine/%s@%s?arch=x"}]}`, name, version, licence, name, version))
	}
	return `{"spdxVersion":"SPDX-2.3","packages":[` + strings.Join(entries, ",") + `]}`
}

func cycloneDX(packages ...string) string {
	var entries []string
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "@")
		entries = append(entries, fmt.Sprintf(`{"name":%q,"version":%q}`, name, version))
	}
	return `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + strings.Join(entries, ",") + `]}`
}

const configText = `{"created":"2026-03-01T10:00:00Z","os":"linux","architecture":"amd64","config":{"Env":["PATH=/bin","A=1"],"Cmd":["app"],"ExposedPorts":{"80/tcp":{}},"Labels":{"v":"1"}},"history":[{"created_by":"FROM"},{"created_by":"ENV","empty_layer":true},{"created_by":"COPY app"}]}`

func images(t *testing.T, g *graph, a, b client.Manifest, o compare.Options) *compare.Difference {
	t.Helper()
	d, err := compare.Images(t.Context(), compare.Side{Name: "a", From: g, Root: a}, compare.Side{Name: "b", From: g, Root: b}, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSame(t *testing.T) {
	g := newGraph(t)
	m := g.image(configText, "base", "app")
	g.attach(m, "application/spdx+json", spdx("musl@1"), nil)
	d := images(t, g, m, m, compare.Options{})
	if !d.Same || len(d.Images) != 1 || !d.Images[0].Same || d.Images[0].Layers.Shared != 2 || d.Images[0].SBOM.Unchanged != 1 {
		t.Errorf("%s", encoded(t, d))
	}
}

func TestLayersAndConfig(t *testing.T) {
	g := newGraph(t)
	other := strings.NewReplacer(`"A=1"`, `"B=2"`, "80/tcp", "443/tcp", `"v":"1"`, `"v":"2"`, "COPY app", "COPY more").Replace(configText)
	d := images(t, g, g.image(configText, "base", "app", "moved"), g.image(other, "base", "moved", "more", "more"), compare.Options{})
	l := d.Images[0].Layers
	if d.Same || l.Shared != 1 || l.SharedSize != 4 || l.Moved != 1 || len(l.Removed) != 1 || l.Removed[0].CreatedBy != "COPY app" || len(l.Added) != 2 || l.SizeA != 12 || l.SizeB != 17 {
		t.Errorf("%s", encoded(t, l))
	}
	want := `{"changes":[{"name":"env A","a":"1","b":null},{"name":"env B","a":null,"b":"2"},{"name":"label v","a":"1","b":"2"},` +
		`{"name":"port 443/tcp","a":null,"b":"exposed"},{"name":"port 80/tcp","a":"exposed","b":null}],"history":{"shared":2,"added":["COPY more"],"removed":["COPY app"]}}`
	if got := encoded(t, d.Images[0].Config); got != want {
		t.Errorf("%s", got)
	}
}

func TestPackages(t *testing.T) {
	g := newGraph(t)
	a, b := g.image(configText, "a"), g.image(configText, "b")
	older := map[string]string{ocispec.AnnotationCreated: "2026-01-01T00:00:00Z"}
	newer := map[string]string{ocispec.AnnotationCreated: "2026-02-01T00:00:00Z"}
	g.attach(a, "application/spdx+json", spdx("wrong@1"), older)
	g.attach(a, "application/spdx+json", spdx("gone@1", "musl@1.0 MIT", "same@1 MIT", "twice@1", "twice@2", "law@1 MIT"), newer)
	g.attach(b, "application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document","predicate":`+spdx("new@1", "musl@1.1 MIT", "same@1 MIT", "twice@2", "twice@3", "law@1 GPL-2.0-only")+`}`, nil)
	d := images(t, g, a, b, compare.Options{}).Images[0]
	s := d.SBOM
	if s.State != compare.Compared || s.Unchanged != 2 || len(s.Added) != 1 || s.Added[0].Name != "new" || len(s.Removed) != 1 || s.Removed[0].Name != "gone" {
		t.Errorf("%s", encoded(t, s))
	}
	want := `[{"name":"law","purl":"pkg:apk/alpine/law","versionA":"1","versionB":"1","licencesA":["MIT"],"licencesB":["GPL-2.0-only"]},` +
		`{"name":"musl","purl":"pkg:apk/alpine/musl","versionA":"1.0","versionB":"1.1"},{"name":"twice","purl":"pkg:apk/alpine/twice","versionA":"1","versionB":"3"}]`
	if got := encoded(t, s.Changed); got != want {
		t.Errorf("%s", got)
	}
	if got := encoded(t, d.Attached); !strings.Contains(got, `"predicate":"https://spdx.dev/Document","a":0,"b":1`) || !strings.Contains(got, `"a":2,"b":0`) {
		t.Errorf("%s", got)
	}
}

// Where the formats differ, names are compared where no package URL is.
func TestPackagesOfDifferentFormats(t *testing.T) {
	g := newGraph(t)
	a, b := g.image(configText, "a"), g.image(configText, "b")
	g.attach(a, "application/spdx+json", spdx("musl@1.0 MIT", "same@1 MIT"), nil)
	g.attach(b, "application/vnd.cyclonedx+json", cycloneDX("musl@1.1", "same@1"), nil)
	s := images(t, g, a, b, compare.Options{}).Images[0].SBOM
	if s.State != compare.Compared || s.Unchanged != 1 || len(s.Changed) != 1 || len(s.Added)+len(s.Removed) > 0 {
		t.Errorf("%s", encoded(t, s))
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	g := newGraph(t)
	a, b := g.image(configText, "a"), g.image(configText, "b")
	g.attach(a, "application/spdx+json", spdx("musl@1")+strings.Repeat(" ", 5000), nil)
	g.attach(b, "application/vnd.cyclonedx+json", "no SBOM", nil)
	d := images(t, g, a, b, compare.Options{MaxBlob: 4096})
	if d.Images[0].SBOM.State != compare.NotRead || len(d.Unread) != 2 || !strings.Contains(d.Unread[0].Reason, "at most 4096") || !strings.Contains(d.Unread[1].Reason, "none is found") {
		t.Errorf("%s", encoded(t, d))
	}
	gone := digest.FromString("gone")
	g.referrers[a.Digest] = append(g.referrers[a.Digest], oci.Descriptor{ArtifactType: "application/vnd.in-toto+json", Digest: gone})
	if d := images(t, g, a, b, compare.Options{}); len(d.Unread) != 2 || d.Unread[0].Digest != gone || d.Unread[0].Reason != "the registry has it not" {
		t.Errorf("%+v", d.Unread)
	}
	if d := images(t, g, a, a, compare.Options{MaxBlob: 4096}); d.Same {
		t.Error("what was not read is the same")
	}
	g.blobs[b.Edges[0].Target] = strings.Replace(configText, "linux", "minux", 1)
	if _, err := compare.Images(t.Context(), compare.Side{From: g, Root: a}, compare.Side{From: g, Root: b}, compare.Options{}); err == nil || !strings.Contains(err.Error(), "changed on its way") {
		t.Errorf("a blob with another digest: %v", err)
	}
}

func (g *graph) index(entries ...ocispec.Descriptor) client.Manifest {
	i := ocispec.Index{MediaType: oci.MediaTypeImageIndex, Manifests: entries}
	i.SchemaVersion = 2
	return g.put(oci.MediaTypeImageIndex, i)
}

func on(m client.Manifest, architecture string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, Platform: &ocispec.Platform{OS: "linux", Architecture: architecture}}
}

// buildKit adds what BuildKit puts beside an image.
func (g *graph) buildKit(of client.Manifest, sbom string) ocispec.Descriptor {
	m := ocispec.Manifest{MediaType: oci.MediaTypeImageManifest, Config: g.blob(oci.MediaTypeImageConfig, "{}")}
	m.SchemaVersion = 2
	layer := g.blob("application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":`+sbom+`}`)
	layer.Annotations = map[string]string{"in-toto.io/predicate-type": "https://spdx.dev/Document"}
	m.Layers = []ocispec.Descriptor{layer}
	entry := on(g.put(oci.MediaTypeImageManifest, m), "unknown")
	entry.Platform.OS = "unknown"
	entry.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.Digest.String()}
	return entry
}

func TestIndexes(t *testing.T) {
	g := newGraph(t)
	amdA, amdB, armA, s390 := g.image(configText, "amd a"), g.image(configText, "amd b"), g.image(configText, "arm"), g.image(configText, "s390")
	a := g.index(on(amdA, "amd64"), on(armA, "arm64"), g.buildKit(amdA, spdx("musl@1")))
	b := g.index(on(s390, "s390x"), on(amdB, "amd64"), g.buildKit(amdB, spdx("musl@2")))
	g.attach(a, "application/vnd.dev.sigstore.bundle.v0.3+json", "{}", map[string]string{"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"})
	d := images(t, g, a, b, compare.Options{})
	if got := encoded(t, d.Platforms); got != `{"added":["linux/s390x"],"removed":["linux/arm64"],"common":["linux/amd64"]}` {
		t.Errorf("%s", got)
	}
	if len(d.Attached) != 1 || d.Attached[0].A != 1 || d.Attached[0].B != 0 || d.Attached[0].What != "sigstore bundle: SLSA provenance" || d.SBOM != nil {
		t.Errorf("%s", encoded(t, d))
	}
	if s := d.Images[0].SBOM; s.State != compare.Compared || len(s.Changed) != 1 || s.Changed[0].VersionB != "2" {
		t.Errorf("%s", encoded(t, s))
	}
	if _, err := compare.Images(t.Context(), compare.Side{From: g, Root: a}, compare.Side{From: g, Root: b}, compare.Options{Platform: "linux/arm64"}); !errors.Is(err, compare.ErrPlatform) || !strings.Contains(err.Error(), "linux/amd64, linux/s390x") {
		t.Errorf("a platform that is not there: %v", err)
	}
	// An image is compared with that of its platform.
	if d := images(t, g, amdB, b, compare.Options{}); len(d.Images) != 1 || d.Images[0].A != d.Images[0].B || d.Images[0].SBOM.State != compare.MissingA {
		t.Errorf("%s", encoded(t, d))
	}
}

// An SBOM of the index counts for images that have none, and is compared once.
func TestSBOMsOfIndexes(t *testing.T) {
	g := newGraph(t)
	amdA, amdB := g.image(configText, "amd a"), g.image(configText, "amd b")
	a, b := g.index(on(amdA, "amd64")), g.index(on(amdB, "amd64"))
	g.attach(a, "application/spdx+json", spdx("musl@1"), nil)
	g.attach(b, "application/spdx+json", spdx("musl@2"), nil)
	d := images(t, g, a, b, compare.Options{})
	if d.SBOM == nil || len(d.SBOM.Changed) != 1 || !d.SBOM.A.Index || d.Images[0].SBOM != nil {
		t.Errorf("%s", encoded(t, d))
	}
	g.attach(amdB, "application/spdx+json", spdx("musl@3"), nil)
	if d := images(t, g, a, b, compare.Options{}); d.Images[0].SBOM.Changed[0].VersionB != "3" || !d.Images[0].SBOM.A.Index || d.Images[0].SBOM.B.Index {
		t.Errorf("%s", encoded(t, d.Images[0]))
	}
}
