package transfer

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// The artifact types of the tests.
const (
	sbomType      = "application/spdx+json"
	signatureType = "application/vnd.example.signature"
)

// bench is a registry behind backref, and one without it.
type bench struct {
	dir     string
	backref *rig.Backref
	plain   *rig.Registry
}

func newBench(t *testing.T, version rig.Distribution) bench {
	t.Helper()
	b := bench{t.TempDir(), rig.NewBackref(t, rig.NewRegistry(t, version).URL), rig.NewRegistry(t, version)}
	b.regctl(t, b.backref.Host, b.plain.Host)
	return b
}

// regctl tells regctl that hosts speak no TLS.
func (b bench) regctl(t *testing.T, hosts ...string) {
	t.Helper()
	settings := map[string]map[string]string{}
	for _, host := range hosts {
		settings[host] = map[string]string{"tls": "disabled"}
	}
	config, err := json.Marshal(map[string]any{"hosts": settings})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(b.dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, ".regctl", "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copied is the last line of a copy.
type copied struct {
	Result struct {
		Digest                   digest.Digest
		Manifests, Blobs         map[string]int
		Bytes                    int64
		Referrers, ReferrersTags int
	}
}

// copy runs backref copy, which has to succeed.
func (b bench) copy(t *testing.T, args ...string) copied {
	t.Helper()
	return lastLine(t, rig.RunCommandLine(t, b.dir, append([]string{"copy"}, args...)...))
}

func lastLine(t *testing.T, output string) copied {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(output), "\n")
	var c copied
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &c); err != nil || c.Result.Digest == "" {
		t.Fatalf("the copy ended with %q: %v", lines[len(lines)-1], err)
	}
	return c
}

// graph is an image for two platforms with an SBOM and signatures.
type graph struct {
	// root is the index; manifests are all, by digest.
	root      rig.Manifest
	manifests map[digest.Digest]rig.Manifest
	blobs     []digest.Digest
	sbom      rig.Manifest
}

// pushGraph pushes one into a repository, under the tag v1. Equal names give
// equal bytes.
func pushGraph(t *testing.T, base, repository, name string) graph {
	t.Helper()
	g := graph{manifests: map[digest.Digest]rig.Manifest{}}
	g.blobs = append(g.blobs, rig.PushBlob(t, base, repository, rig.Empty))
	push := func(tag string, m rig.Manifest) rig.Manifest {
		rig.Push(t, base, repository, tag, m).Want(t, http.StatusCreated)
		g.manifests[m.Digest()] = m
		return m
	}
	var entries []rig.Descriptor
	for _, architecture := range []string{"amd64", "arm64"} {
		content := strings.Repeat(name+architecture, 1000)
		layer := rig.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: rig.PushBlob(t, base, repository, content), Size: int64(len(content))}
		g.blobs = append(g.blobs, layer.Digest)
		image := rig.Image(name + architecture)
		image.Layers = &[]rig.Descriptor{layer}
		push("", image)
		entry := image.Descriptor()
		entry.Platform = &rig.Platform{OS: "linux", Architecture: architecture}
		entries = append(entries, entry)
		push("", rig.Artifact(signatureType, "of "+architecture, image.Descriptor()))
	}
	g.root = push("v1", rig.Index(entries...))
	g.sbom = push("", rig.Artifact(sbomType, "sbom", g.root.Descriptor()))
	push("", rig.Artifact(signatureType, "of the sbom", g.sbom.Descriptor()))
	push("", rig.Artifact(signatureType, "of the index", g.root.Descriptor()))
	return g
}

// wantContent makes sure that a repository has all of a graph, byte for byte.
func (g graph) wantContent(t *testing.T, base, repository string) {
	t.Helper()
	for sum, m := range g.manifests {
		got := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+sum.String(), nil, "Accept", m.MediaType).Want(t, http.StatusOK)
		if string(got.Body) != string(m.Bytes()) {
			t.Errorf("%s: other bytes", sum)
		}
	}
	for _, blob := range g.blobs {
		got := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/blobs/"+blob.String(), nil).Want(t, http.StatusOK)
		if digest.FromBytes(got.Body) != blob {
			t.Errorf("%s: other bytes", blob)
		}
	}
}

// listings returns what a backref lists for each manifest of a graph.
func (g graph) listings(t *testing.T, base, repository string) map[digest.Digest][]rig.Descriptor {
	t.Helper()
	listings := map[digest.Digest][]rig.Descriptor{}
	for sum := range g.manifests {
		if list := rig.Listing(t, base, repository, sum); len(list) > 0 {
			listings[sum] = list
		}
	}
	return listings
}

// tagged returns what the referrers tags of a registry hold for each manifest
// of a graph.
func (g graph) tagged(t *testing.T, base, repository string) map[digest.Digest][]rig.Descriptor {
	t.Helper()
	listings := map[digest.Digest][]rig.Descriptor{}
	for sum := range g.manifests {
		if list := taggedReferrers(t, base, repository, sum); len(list) > 0 {
			listings[sum] = list
		}
	}
	return listings
}

// taggedReferrers returns the entries of one referrers tag, by digest.
func taggedReferrers(t *testing.T, base, repository string, subject digest.Digest) []rig.Descriptor {
	t.Helper()
	tag := strings.ReplaceAll(subject.String(), ":", "-")
	reply := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+tag, nil, "Accept", rig.ImageIndex)
	if reply.Status == http.StatusNotFound {
		return nil
	}
	var index struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(reply.Want(t, http.StatusOK).Body, &index); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(index.Manifests, func(a, b rig.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return index.Manifests
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
