package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// workplace is a folder with files to push, and a registry behind backref.
type workplace struct {
	dir      string
	registry *rig.Registry
	backref  *rig.Backref
}

func onEach(t *testing.T, test func(t *testing.T, w workplace)) {
	t.Helper()
	rig.Each(t, func(t *testing.T, version rig.Distribution) { test(t, newWorkplace(t, version)) })
}

func newWorkplace(t *testing.T, version rig.Distribution) workplace {
	t.Helper()
	registry := rig.NewRegistry(t, version)
	return workplaceAt(t, registry, rig.NewBackref(t, registry.URL))
}

// workplaceAt is a workplace before a registry that runs.
func workplaceAt(t *testing.T, registry *rig.Registry, backref *rig.Backref) workplace {
	t.Helper()
	w := workplace{t.TempDir(), registry, backref}
	for name, content := range map[string]string{
		"layer.txt": "layer", "sbom.json": `{"spdxVersion":"SPDX-2.3"}`, "config.json": `{"architecture":"amd64","os":"linux"}`,
		"regctl.json": `{"hosts":{"` + w.backref.Host + `":{"tls":"disabled"},"` + registry.Host + `":{"tls":"disabled"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(w.dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.dir, "regctl.json"), filepath.Join(w.dir, ".regctl", "config.json")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w workplace) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return rig.Run(t, w.dir, name, args...)
}

// wantSameBytes compares a manifest as backref and as the registry give it.
func (w workplace) wantSameBytes(t *testing.T, repository, reference string) []byte {
	t.Helper()
	path := "/v2/" + repository + "/manifests/" + reference
	through := rig.Do(t, http.MethodGet, w.backref.URL+path, nil, "Accept", "*/*", "Accept", rig.ImageManifest, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
	direct := rig.Do(t, http.MethodGet, w.registry.URL+path, nil, "Accept", "*/*", "Accept", rig.ImageManifest, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
	if string(through.Body) != string(direct.Body) {
		t.Errorf("%s: bytes differ", path)
	}
	for _, name := range []string{"Content-Type", "Docker-Content-Digest", "Content-Length", "Etag"} {
		if through.Header.Get(name) != direct.Header.Get(name) {
			t.Errorf("%s: %s %q, the registry's is %q", path, name, through.Header.Get(name), direct.Header.Get(name))
		}
	}
	return through.Body
}

// wantNoReferrersTag makes sure that the client saw that none is needed.
func (w workplace) wantNoReferrersTag(t *testing.T, repository string) {
	t.Helper()
	for _, tag := range rig.Tags(t, w.registry.URL, repository) {
		if strings.HasPrefix(tag, "sha256-") && !strings.Contains(tag, ".") {
			t.Errorf("a referrers tag was written: %s", tag)
		}
	}
}

func TestOras(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.backref.Host + "/app:v1"
		w.run(t, "oras", "push", "--plain-http", ref, "--artifact-type", "application/vnd.example.app", "layer.txt")
		w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.signature", "--annotation", "by=me", "layer.txt")
		w.wantNoReferrersTag(t, "app")
		w.wantSameBytes(t, "app", "v1")

		var found struct {
			Referrers []struct {
				Digest       string
				ArtifactType string
				Annotations  map[string]string
			}
		}
		output := w.run(t, "oras", "discover", "--plain-http", "--format", "json", ref)
		if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 2 {
			t.Fatalf("oras discover: %v: %s", err, output)
		}
		output = w.run(t, "oras", "discover", "--plain-http", "--format", "json", "--artifact-type", "application/spdx+json", ref)
		if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 1 {
			t.Fatalf("oras discover by type: %v: %s", err, output)
		}
		sbom := found.Referrers[0].Digest
		w.wantSameBytes(t, "app", sbom)
		w.run(t, "oras", "pull", "--plain-http", w.backref.Host+"/app@"+sbom, "-o", "pulled")
		if content, err := os.ReadFile(filepath.Join(w.dir, "pulled", "sbom.json")); err != nil || string(content) != `{"spdxVersion":"SPDX-2.3"}` {
			t.Errorf("oras pull: %q, %v", content, err)
		}
		if tags := strings.Fields(w.run(t, "oras", "repo", "tags", "--plain-http", w.backref.Host+"/app")); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("oras repo tags: %v", tags)
		}
		if repositories := w.run(t, "oras", "repo", "ls", "--plain-http", w.backref.Host); strings.TrimSpace(repositories) != "app" {
			t.Errorf("oras repo ls: %s", repositories)
		}
		w.run(t, "oras", "manifest", "delete", "--plain-http", "--force", w.backref.Host+"/app@"+sbom)
		output = w.run(t, "oras", "discover", "--plain-http", "--format", "json", ref)
		if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 1 || found.Referrers[0].Digest == sbom {
			t.Errorf("oras discover after the delete: %v: %s", err, output)
		}
	})
}

func TestRegctl(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		w.run(t, "oras", "push", "--plain-http", w.backref.Host+"/app:v1", "--config", "config.json:"+rig.ImageConfig, "layer.txt")
		ref := w.backref.Host + "/app:v1"
		w.run(t, "regctl", "artifact", "put", "--subject", ref, "--artifact-type", "application/spdx+json", "-f", "sbom.json", "-m", "application/spdx+json")
		w.wantNoReferrersTag(t, "app")
		list := w.run(t, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}} {{.ArtifactType}}\n{{end}}", ref)
		sbom, artifactType, _ := strings.Cut(strings.TrimSpace(list), " ")
		if artifactType != "application/spdx+json" {
			t.Fatalf("regctl artifact list: %q", list)
		}
		w.wantSameBytes(t, "app", sbom)
		if got := w.run(t, "regctl", "artifact", "get", w.backref.Host+"/app@"+sbom); got != `{"spdxVersion":"SPDX-2.3"}` {
			t.Errorf("regctl artifact get: %q", got)
		}
		if tags := strings.Fields(w.run(t, "regctl", "tag", "ls", w.backref.Host+"/app")); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("regctl tag ls: %v", tags)
		}
		w.run(t, "regctl", "image", "copy", "--referrers", ref, w.backref.Host+"/copied:v1")
		if got := strings.Fields(w.run(t, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}}\n{{end}}", w.backref.Host+"/copied:v1")); !slices.Equal(got, []string{sbom}) {
			t.Errorf("referrers of the copy: %v", got)
		}
		w.run(t, "regctl", "manifest", "delete", w.backref.Host+"/app@"+sbom)
		if got := w.run(t, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}}{{end}}", ref); strings.TrimSpace(got) != "" {
			t.Errorf("regctl artifact list after the delete: %q", got)
		}
	})
}

func TestCrane(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.backref.Host + "/app:v1"
		tarball := filepath.Join(w.dir, "layer.tar")
		writeTar(t, tarball, "file", "content")
		w.run(t, "crane", "append", "--insecure", "-f", tarball, "-t", ref, "--oci-empty-base")
		manifest := w.wantSameBytes(t, "app", "v1")
		if got := w.run(t, "crane", "manifest", "--insecure", ref); strings.TrimSpace(got) != strings.TrimSpace(string(manifest)) {
			t.Errorf("crane manifest: %s", got)
		}
		sum := strings.TrimSpace(w.run(t, "crane", "digest", "--insecure", ref))
		w.run(t, "crane", "tag", "--insecure", ref, "v2")
		w.run(t, "crane", "copy", "--insecure", ref, w.backref.Host+"/other:v1")
		w.run(t, "crane", "pull", "--insecure", "--format", "oci", w.backref.Host+"/other:v1", filepath.Join(w.dir, "layout"))
		if tags := strings.Fields(w.run(t, "crane", "ls", "--insecure", w.backref.Host+"/app")); !slices.Equal(slices.Sorted(slices.Values(tags)), []string{"v1", "v2"}) {
			t.Errorf("crane ls: %v", tags)
		}
		if got := strings.Fields(w.run(t, "crane", "catalog", "--insecure", w.backref.Host)); !slices.Equal(got, []string{"app", "other"}) {
			t.Errorf("crane catalog: %v", got)
		}
		w.run(t, "crane", "delete", "--insecure", w.backref.Host+"/app@"+sum)
		if got := rig.Try(t, w.dir, "crane", "digest", "--insecure", ref); got.Err == nil {
			t.Errorf("after crane delete: %s", got.Stdout)
		}
	})
}

func TestSkopeo(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		tarball := filepath.Join(w.dir, "layer.tar")
		writeTar(t, tarball, "file", "content")
		w.run(t, "crane", "append", "--insecure", "-f", tarball, "-t", w.registry.Host+"/source:v1", "--oci-empty-base")
		policy := filepath.Join(w.dir, "policy.json")
		if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		skopeo := func(args ...string) string {
			return w.run(t, "skopeo", append([]string{"--policy", policy, "--tmpdir", w.dir}, args...)...)
		}
		source, target := "docker://"+w.backref.Host+"/source:v1", "docker://"+w.backref.Host+"/target:v1"
		skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", source, target)
		w.wantSameBytes(t, "target", "v1")
		if through, direct := w.wantSameBytes(t, "source", "v1"), w.wantSameBytes(t, "target", "v1"); string(through) != string(direct) {
			t.Error("the copy has other bytes than the source")
		}
		skopeo("copy", "--src-tls-verify=false", target, "oci:"+filepath.Join(w.dir, "layout")+":v1")
		var list struct{ Tags []string }
		if output := skopeo("list-tags", "--tls-verify=false", "docker://"+w.backref.Host+"/target"); json.Unmarshal([]byte(output), &list) != nil || !slices.Equal(list.Tags, []string{"v1"}) {
			t.Errorf("skopeo list-tags: %s", output)
		}
		var inspected struct{ Digest string }
		if output := skopeo("inspect", "--tls-verify=false", target); json.Unmarshal([]byte(output), &inspected) != nil || inspected.Digest == "" {
			t.Errorf("skopeo inspect: %s", output)
		}
		skopeo("delete", "--tls-verify=false", target)
		rig.Do(t, http.MethodGet, fmt.Sprintf("%s/v2/target/manifests/%s", w.backref.URL, inspected.Digest), nil).Want(t, http.StatusNotFound)
	})
}
