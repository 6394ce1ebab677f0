package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/compare"
	"github.com/backref/backref/test/rig"
)

// release is an image for two platforms that is compared with another.
type release struct {
	// packages are those of the SBOMs of linux/amd64, by format; none for no SBOM.
	spdx, cycloneDX []string
	// buildKit are those of the attestation of linux/arm64.
	buildKit []string
	// attested says that the index has an attestation.
	attested bool
	// padding is how many bytes the SBOM of linux/amd64 has beside.
	padding int
}

// repository is where a release is pushed to.
type repository struct {
	t          *testing.T
	base, name string
	// tags says that the registry needs referrers tags.
	tags bool
}

func (r repository) blob(mediaType, content string) rig.Descriptor {
	return rig.Descriptor{MediaType: mediaType, Digest: rig.PushBlob(r.t, r.base, r.name, content), Size: int64(len(content))}
}

func (r repository) push(tag string, m rig.Manifest) rig.Manifest {
	rig.Push(r.t, r.base, r.name, tag, m).Want(r.t, http.StatusCreated)
	return m
}

// attach pushes what refers to a manifest.
func (r repository) attach(subject rig.Manifest, artifactType, predicate string, documents ...string) rig.Descriptor {
	r.t.Helper()
	m := rig.Artifact(artifactType, "", subject.Descriptor())
	layers := []rig.Descriptor{}
	for _, document := range documents {
		layers = append(layers, r.blob("application/json", document))
	}
	m.Layers, m.Annotations = &layers, nil
	if predicate != "" {
		m.Annotations = map[string]string{"dev.sigstore.bundle.predicateType": predicate}
	}
	entry := r.push("", m).Descriptor()
	entry.ArtifactType, entry.Annotations = m.ArtifactType, m.Annotations
	return entry
}

// refer attaches artifacts, and lists them where the registry doesn't.
func (r repository) refer(subject rig.Manifest, entries ...rig.Descriptor) {
	if r.tags && len(entries) > 0 {
		r.push(strings.ReplaceAll(subject.Digest().String(), ":", "-"), rig.Index(entries...))
	}
}

// release pushes a release under a tag.
func (r repository) release(tag string, of release) {
	r.t.Helper()
	r.blob("", rig.Empty)
	var images []rig.Manifest
	var entries []rig.Descriptor
	for _, architecture := range []string{"amd64", "arm64"} {
		config := r.blob(rig.ImageConfig, fmt.Sprintf(`{"os":"linux","architecture":%q,"config":{"Env":["RELEASE=%s"]},"rootfs":{"type":"layers","diff_ids":[]}}`, architecture, tag))
		layer := "application/vnd.oci.image.layer.v1.tar"
		image := rig.Manifest{SchemaVersion: 2, MediaType: rig.ImageManifest, Config: &config, Layers: &[]rig.Descriptor{r.blob(layer, "base"), r.blob(layer, tag+architecture)}}
		images = append(images, r.push("", image))
		entry := image.Descriptor()
		entry.Platform = &rig.Platform{OS: "linux", Architecture: architecture}
		entries = append(entries, entry)
	}
	if of.buildKit != nil {
		entries = append(entries, r.beside(images[1], of.buildKit))
	}
	index := r.push(tag, rig.Index(entries...))
	var onImage []rig.Descriptor
	if of.spdx != nil {
		onImage = append(onImage, r.attach(images[0], sbomType, "", spdxText(of.spdx)+strings.Repeat(" ", of.padding)))
	}
	if of.cycloneDX != nil {
		statement := `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://cyclonedx.org/bom","predicate":` + cycloneDXText(of.cycloneDX) + `}`
		onImage = append(onImage, r.attach(images[0], "application/vnd.in-toto+json", "", statement))
	}
	r.refer(images[0], onImage...)
	if of.attested {
		r.refer(index, r.attach(index, "application/vnd.dev.sigstore.bundle.v0.3+json", "https://slsa.dev/provenance/v1", rig.Empty))
	}
}

// beside pushes what BuildKit puts into an index for an image.
func (r repository) beside(image rig.Manifest, packages []string) rig.Descriptor {
	layer := r.blob("application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":`+spdxText(packages)+`}`)
	layer.Annotations = map[string]string{"in-toto.io/predicate-type": "https://spdx.dev/Document"}
	config := r.blob(rig.ImageConfig, `{"os":"unknown","architecture":"unknown"}`)
	entry := r.push("", rig.Manifest{SchemaVersion: 2, MediaType: rig.ImageManifest, Config: &config, Layers: &[]rig.Descriptor{layer}}).Descriptor()
	entry.Platform = &rig.Platform{OS: "unknown", Architecture: "unknown"}
	entry.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.Digest().String()}
	return entry
}

func spdxText(packages []string) string {
	return `{"spdxVersion":"SPDX-2.3","name":"app","packages":[` + eachPackage(packages, `{"name":%[1]q,"versionInfo":%[2]q,"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:apk/alpine/%[1]s@%[2]s"}]}`) + `]}`
}

func cycloneDXText(packages []string) string {
	return `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + eachPackage(packages, `{"type":"library","name":%q,"version":%q}`) + `]}`
}

func eachPackage(packages []string, format string) string {
	var entries []string
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "@")
		entries = append(entries, fmt.Sprintf(format, name, version))
	}
	return strings.Join(entries, ",")
}

// diff runs backref diff, which has to succeed.
func (b bench) diff(t *testing.T, args ...string) compare.Difference {
	t.Helper()
	var d compare.Difference
	output := rig.RunCommandLine(t, b.dir, append([]string{"diff", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(output), &d); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return d
}

// Two releases are compared behind a backref, and where there are referrers tags
// alone: what is attached, the packages of each platform, from whatever SBOMs say.
func TestDifference(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	for _, r := range []repository{{t, b.backref.URL, "app", false}, {t, b.plain.URL, "app", true}} {
		t.Run(map[bool]string{true: "referrers tags", false: "backref"}[r.tags], func(t *testing.T) {
			r.t = t
			host := strings.TrimPrefix(r.base, "http://")
			r.release("v1", release{spdx: []string{"musl@1.0", "gone@1"}, buildKit: []string{"zlib@1"}, attested: true})
			r.release("v2", release{cycloneDX: []string{"musl@1.1", "new@1"}, buildKit: []string{"zlib@2"}})
			d := b.diff(t, host+"/app:v1", host+"/app:v2")
			if len(d.Attached) != 1 || d.Attached[0].What != "sigstore bundle: SLSA provenance" || d.Attached[0].A != 1 || d.Attached[0].B != 0 {
				t.Errorf("attached: %+v", d.Attached)
			}
			if len(d.Images) != 2 || d.Same || len(d.Unread) > 0 {
				t.Fatalf("%+v", d)
			}
			amd, arm := d.Images[0], d.Images[1]
			if amd.Layers.Shared != 1 || len(amd.Layers.Added) != 1 || len(amd.Config.Changes) != 1 || *amd.Config.Changes[0].B != "v2" {
				t.Errorf("%+v %+v", amd.Layers, amd.Config)
			}
			if s := amd.SBOM; s.State != compare.Compared || s.A.Format != "spdx-json" || s.B.Format != "cyclonedx-json" || len(s.Changed) != 1 || len(s.Added) != 1 || len(s.Removed) != 1 {
				t.Errorf("linux/amd64: %+v", s)
			}
			if s := arm.SBOM; s.State != compare.Compared || len(s.Changed) != 1 || s.Changed[0].VersionB != "2" {
				t.Errorf("linux/arm64: %+v", s)
			}
			text := rig.RunCommandLine(t, b.dir, "diff", host+"/app:v1", host+"/app:v2")
			for _, line := range []string{"  - sigstore bundle: SLSA provenance (1)", "  ~ musl  1.0 → 1.1", "  ~ env RELEASE: v1 → v2", "  by SPDX of 2 packages and CycloneDX of 2 packages"} {
				if !strings.Contains(text, line+"\n") {
					t.Errorf("no line %q in\n%s", line, text)
				}
			}
		})
	}
	// Of two registries, and a layout.
	if d := b.diff(t, b.backref.Host+"/app:v1", b.plain.Host+"/app:v1"); !d.Same {
		t.Errorf("the same image of two registries: %+v", d)
	}
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", "oci:"+filepath.Join(b.dir, "layout"))
	if d := b.diff(t, b.plain.Host+"/app:v1", "oci:"+filepath.Join(b.dir, "layout")); !d.Same {
		t.Errorf("an image and its copy: %+v", d)
	}
	for name, differs := range map[string]bool{"v1": false, "v2": true} {
		got := rig.TryCommandLine(t, b.dir, "diff", "--exit-code", b.backref.Host+"/app:v1", b.plain.Host+"/app:"+name)
		var failed *exec.ExitError
		if errors.As(got.Err, &failed) != differs || differs && failed.ExitCode() != 1 {
			t.Errorf("%s: %v: %s", name, got.Err, got.Stderr)
		}
	}
}

// What can't be compared is said: an SBOM that is too large, and one that is not
// there.
func TestDifferenceOfWhatIsNotRead(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	r := repository{t, b.backref.URL, "app", false}
	r.release("huge", release{spdx: []string{"musl@1.0"}, padding: 2 << 20})
	r.release("none", release{})
	host := b.backref.Host
	d := b.diff(t, "--max-document", "1", host+"/app:huge", host+"/app:none")
	if len(d.Unread) != 1 || !strings.Contains(d.Unread[0].Reason, "at most 1048576 are read") || d.Images[0].SBOM.State != compare.MissingB || d.Images[1].SBOM.State != compare.Missing {
		t.Errorf("%+v, %+v", d.Unread, d.Images)
	}
	if text := rig.RunCommandLine(t, b.dir, "diff", "--max-document", "1", host+"/app:huge", host+"/app:none"); !strings.Contains(text, "not read\n") || !strings.Contains(text, "! b has no SBOM\n") {
		t.Error(text)
	}
}
