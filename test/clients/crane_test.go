package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// crane serves a registry that lacks more than referrers. Through backref crane itself
// and oras find one that lacks nothing of what they need.
func TestRegistryThatCraneServes(t *testing.T) {
	registry := rig.NewCraneRegistry(t)
	backref := rig.NewBackref(t, registry.URL)
	dir := t.TempDir()
	run := func(name string, args ...string) string { return strings.TrimSpace(rig.Run(t, dir, name, args...)) }
	writeTar(t, filepath.Join(dir, "layer.tar"), "file", "content")
	if err := os.WriteFile(filepath.Join(dir, "sbom.json"), []byte(`{"spdxVersion":"SPDX-2.3"}`), 0o600); err != nil {
		t.Fatal(err)
	}

	ref := backref.Host + "/app:v1"
	run("crane", "append", "--insecure", "-f", "layer.tar", "-t", ref, "--oci-empty-base")
	run("oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
	image := run("crane", "digest", "--insecure", ref)
	listed := rig.Listing(t, backref.URL, "app", digest.Digest(image))
	if len(listed) != 1 || listed[0].ArtifactType != "application/spdx+json" {
		t.Fatalf("listed %v", listed)
	}
	run("oras", "pull", "--plain-http", backref.Host+"/app@"+listed[0].Digest.String(), "-o", "pulled")
	if got, err := os.ReadFile(filepath.Join(dir, "pulled", "sbom.json")); err != nil || string(got) != `{"spdxVersion":"SPDX-2.3"}` {
		t.Errorf("oras pull: %q, %v", got, err)
	}
	run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", ref, backref.Host+"/other:v1")
	if got := rig.Listing(t, backref.URL, "other", digest.Digest(image)); len(got) != 1 {
		t.Errorf("of the copy: %v", got)
	}
	run("crane", "copy", "--insecure", ref, backref.Host+"/third:v1")
	run("crane", "pull", "--insecure", "--format", "oci", backref.Host+"/third:v1", "layout")
	run("crane", "validate", "--insecure", "--remote", backref.Host+"/third:v1")

	// A part of a blob, and a delete of one that is there no more.
	blob := run("oras", "blob", "push", "--plain-http", backref.Host+"/app", "sbom.json", "--descriptor")
	if !strings.Contains(blob, digest.FromString(`{"spdxVersion":"SPDX-2.3"}`).String()) {
		t.Errorf("oras blob push: %s", blob)
	}
	path := backref.URL + "/v2/app/blobs/" + digest.FromString(`{"spdxVersion":"SPDX-2.3"}`).String()
	if got := rig.Do(t, http.MethodGet, path, nil, "Range", "bytes=-2"); got.Status != http.StatusPartialContent || string(got.Body) != `"}` {
		t.Errorf("the last two bytes: %d %q", got.Status, got.Body)
	}
	run("oras", "blob", "delete", "--plain-http", "--force", strings.Replace(strings.TrimPrefix(path, "http://"), "/v2/app/blobs/", "/app@", 1))
	if got := rig.Do(t, http.MethodDelete, path, nil); got.Status != http.StatusNotFound || !strings.Contains(string(got.Body), "BLOB_UNKNOWN") {
		t.Errorf("deleted once more: %d %s", got.Status, got.Body)
	}
}
