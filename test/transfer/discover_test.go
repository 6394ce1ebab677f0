package transfer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// orasSees counts the referrers that oras discovers, of all depths.
func (b bench) orasSees(t *testing.T, args ...string) int {
	t.Helper()
	output := rig.Run(t, b.dir, "oras", append([]string{"discover", "--format", "json"}, args...)...)
	return strings.Count(output, `"reference":`) - 1
}

// regctlSees returns the digests that regctl lists.
func (b bench) regctlSees(t *testing.T, ref string) []string {
	t.Helper()
	digests := strings.Fields(rig.Run(t, b.dir, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}}\n{{end}}", ref))
	slices.Sort(digests)
	return digests
}

func digestsOf(list []rig.Descriptor) []string {
	var digests []string
	for _, d := range list {
		digests = append(digests, d.Digest.String())
	}
	slices.Sort(digests)
	return digests
}

func TestB7OthersFindWhatWasCopied(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "found by others")
	of := func(m rig.Manifest) []string { return digestsOf(rig.Listing(t, b.backref.URL, "app", m.Digest())) }
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", "oci:layout:v1")

	wantEqual(t, "oras on the registry", b.orasSees(t, "--plain-http", b.plain.Host+"/app:v1"), 3)
	wantEqual(t, "oras on the layout", b.orasSees(t, "--oci-layout", "layout:v1"), 3)
	wantEqual(t, "regctl on the registry", b.regctlSees(t, b.plain.Host+"/app:v1"), of(g.root))
	wantEqual(t, "regctl on the layout", b.regctlSees(t, "ocidir://layout:v1"), of(g.root))
	wantEqual(t, "regctl on the sbom", b.regctlSees(t, "ocidir://layout@"+g.sbom.Digest().String()), of(g.sbom))
	b.wantIndexJSON(t, g)
}

// wantIndexJSON looks referrers up in index.json alone, without reading any
// manifest.
func (b bench) wantIndexJSON(t *testing.T, g graph) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, "layout", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	const name = "org.opencontainers.image.ref.name"
	var found []rig.Descriptor
	for _, entry := range document.Manifests {
		if entry.Annotations[name] == strings.ReplaceAll(g.root.Digest().String(), ":", "-") && entry.ArtifactType != "" {
			delete(entry.Annotations, name)
			found = append(found, entry)
		}
	}
	wantEqual(t, "index.json", found, rig.Listing(t, b.backref.URL, "app", g.root.Digest()))
}

func TestB2CopyFindsWhatOthersWrote(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "found by us")
	want := digestsOf(rig.Listing(t, b.backref.URL, "app", g.root.Digest()))
	rig.Run(t, b.dir, "oras", "copy", "-r", "--from-plain-http", b.backref.Host+"/app:v1", "--to-oci-layout", "by-oras:v1")
	rig.Run(t, b.dir, "oras", "copy", "-r", "--from-plain-http", "--to-plain-http", b.backref.Host+"/app:v1", b.plain.Host+"/by-oras:v1")
	rig.Run(t, b.dir, "regctl", "image", "copy", "--referrers", b.backref.Host+"/app:v1", "ocidir://by-regctl:v1")
	rig.Run(t, b.dir, "regctl", "image", "copy", "--referrers", b.backref.Host+"/app:v1", b.plain.Host+"/by-regctl:v1")

	for source, target := range map[string]string{
		"oci:by-oras:v1": "layout-oras", b.plain.Host + "/by-oras:v1": "registry-oras",
		"oci:by-regctl:v1": "layout-regctl", b.plain.Host + "/by-regctl:v1": "registry-regctl",
	} {
		b.copy(t, "--referrers", source, b.backref.Host+"/"+target+":v1")
		wantEqual(t, source, digestsOf(rig.Listing(t, b.backref.URL, target, g.root.Digest())), want)
	}
}

func TestLayoutsAreAddedTo(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "added")
	// What others wrote stays: an entry by oras, and a referrers tag by regctl.
	rig.Run(t, b.dir, "regctl", "image", "copy", "--referrers", b.backref.Host+"/app:v1", "ocidir://layout:v1")
	other := rig.Artifact(sbomType, "another", g.root.Descriptor())
	rig.Push(t, b.backref.URL, "app", "", other).Want(t, 201)
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", "oci:layout:v2")
	want := digestsOf(rig.Listing(t, b.backref.URL, "app", g.root.Digest()))
	wantEqual(t, "referrers", b.regctlSees(t, "ocidir://layout:v2"), want)
	wantEqual(t, "oras", b.orasSees(t, "--oci-layout", "layout:v1"), len(want)+1)

	// An archive is added to as well, and equal layouts give equal archives.
	b.copy(t, "--referrers", "oci:layout:v1", "oci-archive:app.tar:v1")
	b.copy(t, "oci:layout:v2", "oci-archive:app.tar:v2")
	wantEqual(t, "from the archive", b.copy(t, "--referrers", "oci-archive:app.tar:v2", "oci:again:v2").Result.Referrers, 6)
	c := rig.TryCommandLine(t, b.dir, "copy", "oci-archive:app.tar:v3", "oci:again:v2")
	if c.Err == nil || !strings.Contains(c.Stderr, "name one behind the path: :v1, :v2") {
		t.Errorf("for a tag that is none: %s", c.Stderr)
	}
}
