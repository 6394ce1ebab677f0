package transfer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestC5CommandsOnAnyRegistry asks a backref by its extension, and a registry
// without it by plain specification: the answers are the same.
func TestC5CommandsOnAnyRegistry(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "asked")
	b.copy(t, "--referrers", b.backref.Host+"/app:v1", b.plain.Host+"/app:v1")
	for name, host := range map[string]string{"backref": b.backref.Host, "plain": b.plain.Host} {
		t.Run(name, func(t *testing.T) {
			run := func(args ...string) string { return rig.RunCommandLine(t, b.dir, args...) }
			all := strings.Fields(run("referrers", "-o", "digest", host+"/app:v1"))
			wantEqual(t, "referrers", all, digestsOf(rig.Listing(t, b.backref.URL, "app", g.root.Digest())))
			one := run("referrers", "-o", "digest", "--type", "application/spdx*", "--annotation", "name=sbom", host+"/app@"+g.root.Digest().String())
			wantEqual(t, "by type", strings.TrimSpace(one), g.sbom.Digest().String())
			wantEqual(t, "by annotation", run("referrers", "-o", "digest", "--annotation", "name=nobody", host+"/app:v1"), "")
			sorted := strings.Fields(run("referrers", "-o", "digest", "--sort", "-digest", "--limit", "1", host+"/app:v1"))
			wantEqual(t, "last by digest", sorted, all[len(all)-1:])

			var found []rig.Descriptor
			if err := json.Unmarshal([]byte(run("referrers", "-o", "json", host+"/app:v1")), &found); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "as JSON", found, rig.Listing(t, b.backref.URL, "app", g.root.Digest()))
			if yaml := run("referrers", "-o", "yaml", "--type", sbomType, host+"/app:v1"); !strings.Contains(yaml, "\n  artifactType: "+sbomType+"\n") {
				t.Errorf("as YAML: %s", yaml)
			}
			wantTree(t, run("tree", "--no-trunc", host+"/app:v1"), g)
			shallow := run("tree", "--depth", "1", host+"/app:v1")
			if !strings.Contains(shallow, "more: give a larger --depth") || strings.Count(shallow, signatureType) != 3 {
				t.Errorf("tree of depth 1:\n%s", shallow)
			}
			wantEqual(t, "digests of the tree", len(strings.Fields(run("tree", "-o", "digest", host+"/app:v1"))), len(g.manifests))
		})
	}
}

// wantTree looks at the drawing: the images below the index, and what refers to
// each below it.
func wantTree(t *testing.T, drawn string, g graph) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(drawn), "\n")
	if len(lines) != 1+len(g.manifests) {
		t.Fatalf("tree of %d lines:\n%s", len(lines), drawn)
	}
	for _, want := range []string{
		"image index  " + g.root.Digest().String(),
		"├── linux/amd64  image  sha256:", "├── linux/arm64  image  sha256:",
		"│   └── " + signatureType, "SPDX SBOM  " + g.sbom.Digest().String(), "10.0 kB",
	} {
		if !strings.Contains(drawn, want) {
			t.Errorf("the tree lacks %q:\n%s", want, drawn)
		}
	}
}

func TestM6Parents(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	g := pushGraph(t, b.backref.URL, "app", "parents")
	var image string
	for _, line := range strings.Split(rig.RunCommandLine(t, b.dir, "tree", "--no-trunc", "--depth", "0", b.backref.Host+"/app:v1"), "\n") {
		if strings.Contains(line, "linux/amd64") {
			image = "sha256:" + strings.Fields(strings.SplitAfter(line, "sha256:")[1])[0]
		}
	}
	parents := func(sum string) []string {
		return strings.Fields(rig.RunCommandLine(t, b.dir, "parents", "-o", "digest", b.backref.Host+"/app@"+sum))
	}
	wantEqual(t, "of a layer", parents(g.blobs[1].String()), []string{image})
	if got := parents(image); !slices.Contains(got, g.root.Digest().String()) || len(got) != 2 {
		t.Errorf("of an image: %v", got)
	}
	table := rig.RunCommandLine(t, b.dir, "parents", "-o", "wide", b.backref.Host+"/app@"+image)
	if !strings.Contains(table, "manifest  "+g.root.Digest().String()) || !strings.Contains(table, "subject   ") {
		t.Errorf("as a table:\n%s", table)
	}
	c := rig.TryCommandLine(t, b.dir, "parents", b.plain.Host+"/app@"+image)
	if c.Err == nil || !strings.Contains(c.Stderr, "ask through a backref") {
		t.Errorf("of a registry that can't tell: %s", c.Stderr)
	}
}

func TestM5Tags(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	created := map[string]string{"v1.10.0": "2026-03-01T00:00:00Z", "v1.2.0": "2026-01-01T00:00:00Z", "v1.9.0": "2026-02-01T00:00:00Z", "v1.10.0-rc.1": "2026-02-15T00:00:00Z"}
	rig.PushBlob(t, b.backref.URL, "app", rig.Empty)
	for tag, at := range created {
		image := rig.Image(tag)
		image.Annotations["org.opencontainers.image.created"] = at
		rig.Push(t, b.backref.URL, "app", tag, image).Want(t, http.StatusCreated)
		rig.Push(t, b.backref.URL, "app", "", rig.Artifact(sbomType, tag, image.Descriptor())).Want(t, http.StatusCreated)
		b.copy(t, "--referrers", b.backref.Host+"/app:"+tag, b.plain.Host+"/app:"+tag)
	}
	image := rig.Image("unnumbered")
	image.Annotations["org.opencontainers.image.created"] = "2026-04-01T00:00:00Z"
	rig.Push(t, b.backref.URL, "app", "latest", image).Want(t, http.StatusCreated)
	b.copy(t, b.backref.Host+"/app:latest", b.plain.Host+"/app:latest")

	for name, host := range map[string]string{"backref": b.backref.Host, "plain": b.plain.Host} {
		t.Run(name, func(t *testing.T) {
			list := func(args ...string) string {
				var found []struct{ Tag string }
				output := rig.RunCommandLine(t, b.dir, append([]string{"tags", "-o", "json", host + "/app"}, args...)...)
				if err := json.Unmarshal([]byte(output), &found); err != nil {
					t.Fatal(err)
				}
				var tags []string
				for _, f := range found {
					tags = append(tags, f.Tag)
				}
				return strings.Join(tags, " ")
			}
			wantEqual(t, "by version", list(), "v1.2.0 v1.9.0 v1.10.0-rc.1 v1.10.0 latest")
			wantEqual(t, "newest first", list("--sort", "-created"), "latest v1.10.0 v1.10.0-rc.1 v1.9.0 v1.2.0")
			wantEqual(t, "between", list("--between", "v1.9.0..v1.10.0"), "v1.9.0 v1.10.0-rc.1 v1.10.0")
			c := rig.TryCommandLine(t, b.dir, "tags", "--between", "v1.9.0..v7", host+"/app")
			if c.Err == nil || !strings.Contains(c.Stderr, "there is no tag v7") {
				t.Errorf("to a tag that is none: %s", c.Stderr)
			}
			if completed := rig.RunCommandLine(t, b.dir, "__complete", "tree", host+"/app:v1.10"); !strings.Contains(completed, host+"/app:v1.10.0-rc.1\n") || strings.Contains(completed, "sha256-") {
				t.Errorf("completes %s", completed)
			}
		})
	}
}
