package shims

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// workplace is a folder with files to push, before a front.
type workplace struct {
	front
	dir string
}

func newWorkplace(t *testing.T, f front) workplace {
	t.Helper()
	w := workplace{f, t.TempDir()}
	if err := os.MkdirAll(filepath.Join(w.dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"layer.txt": "layer", "sbom.json": sbom, "config.json": `{"architecture":"amd64","os":"linux"}`,
		".regctl/config.json": `{"hosts":{"` + f.backref.Host + `":{"tls":"disabled"}}}`,
		"root.json":           `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`,
		"policy.json":         trustPolicy,
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

const sbom = `{"spdxVersion":"SPDX-2.3"}`

// trustPolicy has notation accept who is in the trust store of the test.
const trustPolicy = `{"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
	"signatureVerification": {"level": "strict"}, "trustStores": ["ca:test.example"], "trustedIdentities": ["*"]}]}`

func (w workplace) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return rig.Run(t, w.dir, name, args...)
}

// image pushes an image, and returns its reference by tag and by digest.
func (w workplace) image(t *testing.T) (tag, byDigest string) {
	t.Helper()
	tag = w.backref.Host + "/" + repository + ":v1"
	w.run(t, "oras", "push", "--plain-http", tag, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
	return tag, w.backref.Host + "/" + repository + "@" + strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", tag))
}

// wantReferrers compares the artifact types that are listed, by how they begin, and
// makes sure that no client saw a need for a tag.
func (w workplace) wantReferrers(t *testing.T, ref string, want ...string) {
	t.Helper()
	_, named, _ := strings.Cut(ref, "@")
	listed := rig.Listing(t, w.backref.URL, repository, digest.Digest(named))
	for _, artifactType := range want {
		if !slices.ContainsFunc(listed, func(d rig.Descriptor) bool { return strings.HasPrefix(d.ArtifactType, artifactType) }) {
			t.Errorf("%s is not listed: %v", artifactType, listed)
		}
	}
	if len(listed) != len(want) {
		t.Errorf("listed are %v, want %v", listed, want)
	}
	wantTags(t, w.backref.URL, repository, "v1")
}

// Who signs and attaches does not notice which registry it is.
func TestClients(t *testing.T) {
	t.Setenv("COSIGN_PASSWORD", "of the test")
	all := fronts()
	all["docker27, Docker's types"] = func(t *testing.T) front { return newDocker27Front(t, rig.DockerTypesOnly(http.StatusNotFound)) }
	all["types of a list"] = func(t *testing.T) front { return newFront(t, rig.Distribution2, []rig.Refusal{typesOfAList()}) }
	clients := map[string]func(t *testing.T, w workplace){"oras": useOras, "regctl": useRegctl, "cosign": useCosign, "notation": useNotation}
	for name, start := range all {
		t.Run(name, func(t *testing.T) {
			for client, use := range clients {
				t.Run(client, func(t *testing.T) {
					t.Parallel()
					use(t, newWorkplace(t, start(t)))
				})
			}
		})
	}
}

func useOras(t *testing.T, w workplace) {
	tag, byDigest := w.image(t)
	w.run(t, "oras", "attach", "--plain-http", tag, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
	w.run(t, "oras", "attach", "--plain-http", tag, "--artifact-type", "application/vnd.example.note", "--annotation", "by=me")
	w.wantReferrers(t, byDigest, "application/spdx+json", "application/vnd.example.note")
	var found struct {
		Referrers []struct{ Digest string }
	}
	output := w.run(t, "oras", "discover", "--plain-http", "--format", "json", "--artifact-type", "application/spdx+json", tag)
	if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 1 {
		t.Fatalf("oras discover: %v: %s", err, output)
	}
	attached := w.backref.Host + "/" + repository + "@" + found.Referrers[0].Digest
	w.run(t, "oras", "pull", "--plain-http", attached, "-o", "pulled")
	w.run(t, "oras", "pull", "--plain-http", tag, "-o", "pulled")
	for name, want := range map[string]string{"sbom.json": sbom, "layer.txt": "layer"} {
		if content, err := os.ReadFile(filepath.Join(w.dir, "pulled", name)); err != nil || string(content) != want {
			t.Errorf("oras pull: %s: %q, %v", name, content, err)
		}
	}
	w.run(t, "oras", "manifest", "delete", "--plain-http", "--force", attached)
	w.wantReferrers(t, byDigest, "application/vnd.example.note")
}

func useRegctl(t *testing.T, w workplace) {
	tag, byDigest := w.image(t)
	w.run(t, "regctl", "artifact", "put", "--subject", tag, "--artifact-type", "application/spdx+json", "-f", "sbom.json", "-m", "application/spdx+json")
	w.wantReferrers(t, byDigest, "application/spdx+json")
	list := strings.Fields(w.run(t, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}} {{.ArtifactType}}\n{{end}}", tag))
	if len(list) != 2 || list[1] != "application/spdx+json" {
		t.Fatalf("regctl artifact list: %q", list)
	}
	if got := w.run(t, "regctl", "artifact", "get", w.backref.Host+"/"+repository+"@"+list[0]); got != sbom {
		t.Errorf("regctl artifact get: %q", got)
	}
	if tags := strings.Fields(w.run(t, "regctl", "tag", "ls", w.backref.Host+"/"+repository)); !slices.Equal(tags, []string{"v1"}) {
		t.Errorf("regctl tag ls: %v", tags)
	}
}

func useCosign(t *testing.T, w workplace) {
	_, byDigest := w.image(t)
	w.run(t, "cosign3", "generate-key-pair")
	verify := []string{"verify", "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", byDigest}
	if got := rig.Try(t, w.dir, "cosign3", verify...); got.Err == nil {
		t.Error("cosign verifies what nobody has signed")
	}
	w.run(t, "cosign3", "sign", "--allow-http-registry", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes", byDigest)
	w.wantReferrers(t, byDigest, "application/vnd.dev.sigstore.bundle")
	w.run(t, "cosign3", verify...)
}

func useNotation(t *testing.T, w workplace) {
	_, byDigest := w.image(t)
	w.run(t, "notation", "cert", "generate-test", "--default", "test.example")
	w.run(t, "notation", "policy", "import", "policy.json")
	if got := rig.Try(t, w.dir, "notation", "verify", "--insecure-registry", byDigest); got.Err == nil {
		t.Error("notation verifies what nobody has signed")
	}
	w.run(t, "notation", "sign", "--insecure-registry", "--force-referrers-tag=false", byDigest)
	w.wantReferrers(t, byDigest, "application/vnd.cncf.notary.signature")
	w.run(t, "notation", "verify", "--insecure-registry", byDigest)
}
