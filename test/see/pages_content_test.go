package see

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// shelf is a repository that is filled with what people attach to images.
type shelf struct {
	t       testing.TB
	backref *rig.Backref
	name    string
	// images are the platform images by architecture, index lists them.
	images map[string]rig.Descriptor
	index  rig.Descriptor
}

// newShelf starts a registry with backref before it, and pushes an image for two
// platforms under three tags.
func newShelf(t testing.TB, name string, args ...string) *shelf {
	t.Helper()
	registry := rig.NewRegistry(t, rig.Distribution2)
	s := &shelf{t: t, backref: rig.NewBackref(t, registry.URL, args...), name: name, images: map[string]rig.Descriptor{}}
	rig.PushBlob(t, s.backref.URL, s.name, rig.Empty)
	var entries []rig.Descriptor
	for _, architecture := range []string{"amd64", "arm64"} {
		entry := s.pushImage(architecture, nil)
		entry.Platform = &rig.Platform{OS: "linux", Architecture: architecture}
		s.images[architecture] = entry
		entries = append(entries, entry)
	}
	s.index = s.push("latest", rig.Index(append(entries, s.buildAttestation(entries[0]))...))
	s.push("1.2.0", rig.Index(entries...))
	s.push("1.10.0", s.describedIndex(entries))
	return s
}

// describedIndex returns an index that says much of itself.
func (s *shelf) describedIndex(entries []rig.Descriptor) rig.Manifest {
	index := rig.Index(entries...)
	index.Annotations = map[string]string{
		"org.opencontainers.image.created":  "2026-05-04T10:00:00Z",
		"org.opencontainers.image.version":  "1.10.0",
		"org.opencontainers.image.source":   "https://git.example.org/team/app",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	return index
}

// push pushes a manifest, by its digest where the tag is empty.
func (s *shelf) push(tag string, m rig.Manifest) rig.Descriptor {
	s.t.Helper()
	if tag == "" {
		tag = m.Digest().String()
	}
	rig.Push(s.t, s.backref.URL, s.name, tag, m).Want(s.t, http.StatusCreated)
	return m.Descriptor()
}

// blob pushes a blob and returns its descriptor.
func (s *shelf) blob(mediaType, content string) rig.Descriptor {
	s.t.Helper()
	return rig.Descriptor{MediaType: mediaType, Digest: rig.PushBlob(s.t, s.backref.URL, s.name, content), Size: int64(len(content))}
}

// pushImage pushes an image with two layers and a config that says what made them;
// change changes the config before.
func (s *shelf) pushImage(architecture string, change func(config map[string]any)) rig.Descriptor {
	s.t.Helper()
	layers := []rig.Descriptor{
		s.blob("application/vnd.oci.image.layer.v1.tar+gzip", "the base of all"),
		s.blob("application/vnd.oci.image.layer.v1.tar+gzip", "the program for "+architecture),
	}
	config := map[string]any{
		"created": "2026-05-03T08:30:00Z", "architecture": architecture, "os": "linux", "author": "Team App",
		"config": map[string]any{
			"User": "65532:65532", "Env": []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, "Entrypoint": []string{"/app", "--serve"},
			"Cmd": []string{"--port", "8080"}, "WorkingDir": "/home/app", "ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
			"Volumes": map[string]any{"/data": struct{}{}}, "Labels": map[string]string{"maintainer": "team@example.org", "org.opencontainers.image.title": "App"},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest.FromString("1").String(), digest.FromString("2").String()}},
		"history": []map[string]any{
			{"created_by": "ADD rootfs.tar.gz / # the base"}, {"created_by": "ENV LANG=C.UTF-8", "empty_layer": true},
			{"created_by": "COPY --chown=65532 out/app /app # " + architecture},
		},
	}
	if change != nil {
		change(config)
	}
	body, err := json.Marshal(config)
	if err != nil {
		s.t.Fatal(err)
	}
	described := s.blob(rig.ImageConfig, string(body))
	return s.push("", rig.Manifest{SchemaVersion: 2, MediaType: rig.ImageManifest, Config: &described, Layers: &layers})
}

// buildAttestation pushes an attestation as BuildKit does, and returns its entry of the
// index.
func (s *shelf) buildAttestation(of rig.Descriptor) rig.Descriptor {
	s.t.Helper()
	config := s.blob(rig.ImageConfig, `{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}`)
	layer := s.blob("application/vnd.in-toto+json", s.document("slsa02-buildkit.json"))
	layer.Annotations = map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
	entry := s.push("", rig.Manifest{SchemaVersion: 2, MediaType: rig.ImageManifest, Config: &config, Layers: &[]rig.Descriptor{layer}})
	entry.Platform = &rig.Platform{OS: "unknown", Architecture: "unknown"}
	entry.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.Digest.String()}
	return entry
}

// document returns one of the documents that package artifact is tested with.
func (s *shelf) document(name string) string {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join(rig.Root(s.t), "artifact", "testdata", "documents", name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// attach attaches a document to a subject, with annotations as key, value, ….
func (s *shelf) attach(subject rig.Descriptor, artifactType, content string, annotations ...string) rig.Descriptor {
	s.t.Helper()
	layer := s.blob(artifactType, content)
	m := rig.Artifact(artifactType, fmt.Sprintf("%x", sha256.Sum256([]byte(content)))[:8], rig.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size})
	m.Layers = &[]rig.Descriptor{layer}
	m.Annotations = map[string]string{}
	for i := 0; i+1 < len(annotations); i += 2 {
		m.Annotations[annotations[i]] = annotations[i+1]
	}
	return s.push("", m)
}

// fill attaches one of each that pages know to the index, and some to an image.
func (s *shelf) fill() map[string]rig.Descriptor {
	s.t.Helper()
	const created = "org.opencontainers.image.created"
	found := map[string]rig.Descriptor{}
	for i, a := range []struct{ name, artifactType string }{
		{"spdx23.json", "application/spdx+json"}, {"cyclonedx16.json", "application/vnd.cyclonedx+json"},
		{"sarif-trivy.json", "application/sarif+json"}, {"trivy.json", "application/vnd.aquasec.trivy.report.json"},
		{"openvex.json", "application/vnd.openvex+json"}, {"slsa1.json", "application/vnd.in-toto+json"},
		{"dsse-vuln-sarif.json", "application/vnd.in-toto+dsse"}, {"grype.json", "application/vnd.anchore.grype+json"},
	} {
		found[a.name] = s.attach(s.index, a.artifactType, s.document(a.name), created, fmt.Sprintf("2026-05-%02dT12:00:00Z", 5+i), "org.opencontainers.image.title", a.name)
	}
	found["bundle"] = s.attach(s.index, "application/vnd.dev.sigstore.bundle.v0.3+json", s.document("bundle03-cert.json"),
		created, "2026-06-01T09:00:00Z", "dev.sigstore.bundle.content", "dsse-envelope", "dev.sigstore.bundle.predicateType", "https://slsa.dev/provenance/v1")
	found["notation"] = s.attach(s.index, "application/vnd.cncf.notary.signature", s.document("notation.json"),
		created, "2026-06-02T09:00:00Z", "io.cncf.notary.x509chain.thumbprint#S256", `["`+fmt.Sprintf("%x", sha256.Sum256([]byte("leaf")))+`"]`)
	found["nested"] = s.attach(found["spdx23.json"], "application/vnd.cncf.notary.signature", s.document("notation.json"), created, "2026-06-03T09:00:00Z")
	found["of amd64"] = s.attach(s.images["amd64"], "application/spdx+json", s.document("spdx23.json"), created, "2026-06-04T09:00:00Z")
	return found
}

// address returns that of a page about the repository on the admin listener.
func (s *shelf) address(page string) string { return s.backref.AdminURL + "/ui/r/" + s.name + page }
