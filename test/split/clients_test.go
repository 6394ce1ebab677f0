package split

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestOras(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		ref, subject := p.image(t)
		p.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		p.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.signature", "layer.txt")
		p.wantSplit(t, subject, 2)
		var found struct{ Referrers []struct{ Digest string } }
		output := p.run(t, "oras", "discover", "--plain-http", "--format", "json", "--artifact-type", "application/spdx+json", ref)
		if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 1 {
			t.Fatalf("oras discover: %v: %s", err, output)
		}
		sbom := p.backref.Host + "/app@" + found.Referrers[0].Digest
		content := digest.FromString(`{"spdxVersion":"SPDX-2.3"}`)
		rig.Do(t, http.MethodDelete, p.primary.URL+"/v2/app/blobs/"+content.String(), nil).Want(t, http.StatusAccepted)
		p.run(t, "oras", "pull", "--plain-http", sbom, "-o", "pulled")
		if pulled, err := os.ReadFile(filepath.Join(p.dir, "pulled", "sbom.json")); err != nil || digest.FromBytes(pulled) != content {
			t.Errorf("oras pull: %q, %v", pulled, err)
		}
		if tags := strings.Fields(p.run(t, "oras", "repo", "tags", "--plain-http", p.backref.Host+"/app")); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("oras repo tags: %v", tags)
		}
		p.run(t, "oras", "manifest", "delete", "--plain-http", "--force", sbom)
		p.wantSplit(t, subject, 1)
		p.wantStatus(t, p.second.URL, prefix+"/app", found.Referrers[0].Digest, http.StatusNotFound)
		p.run(t, "oras", "cp", "--from-plain-http", "--to-plain-http", "-r", ref, p.backref.Host+"/copied:v1")
		if got := rig.Listing(t, p.backref.URL, "copied", subject); len(got) != 1 {
			t.Errorf("of the copy: %v", got)
		}
	})
}

func TestRegctl(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		ref, subject := p.image(t)
		p.run(t, "regctl", "artifact", "put", "--subject", ref, "--artifact-type", "application/spdx+json", "-f", "sbom.json", "-m", "application/spdx+json")
		listed := p.wantSplit(t, subject, 1)
		if got := p.run(t, "regctl", "artifact", "get", p.backref.Host+"/app@"+listed[0].String()); got != `{"spdxVersion":"SPDX-2.3"}` {
			t.Errorf("regctl artifact get: %q", got)
		}
		p.run(t, "regctl", "image", "copy", "--referrers", ref, p.backref.Host+"/copied:v1")
		if got := rig.Listing(t, p.backref.URL, "copied", subject); len(got) != 1 {
			t.Errorf("of the copy: %v", got)
		}
		p.run(t, "regctl", "manifest", "delete", p.backref.Host+"/app@"+listed[0].String())
		p.wantSplit(t, subject, 0)
	})
}

func TestCosign(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		_, subject := p.image(t)
		ref := p.backref.Host + "/app@" + subject.String()
		t.Setenv("COSIGN_PASSWORD", "of the test")
		p.run(t, "cosign3", "generate-key-pair")
		root := `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
		if err := os.WriteFile(filepath.Join(p.dir, "root.json"), []byte(root), 0o600); err != nil {
			t.Fatal(err)
		}
		p.run(t, "cosign3", "sign", "--allow-http-registry", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes", ref)
		p.wantSplit(t, subject, 1)
		p.run(t, "cosign3", "verify", "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", ref)
	})
}

// notation keeps a referrers tag beside the API by default: the list is where the
// referrers are, and serves who reads it.
func TestNotation(t *testing.T) {
	const policy = `{"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
		"signatureVerification": {"level": "strict"}, "trustStores": ["ca:test.example"], "trustedIdentities": ["*"]}]}`
	onEach(t, func(t *testing.T, p place) {
		t.Setenv("XDG_CONFIG_HOME", filepath.Join(p.dir, "config"))
		_, subject := p.image(t)
		ref := p.backref.Host + "/app@" + subject.String()
		if err := os.WriteFile(filepath.Join(p.dir, "policy.json"), []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		p.run(t, "notation", "cert", "generate-test", "--default", "test.example")
		p.run(t, "notation", "policy", "import", "policy.json")
		p.run(t, "notation", "sign", "--insecure-registry", ref)
		p.run(t, "notation", "verify", "--insecure-registry", ref)
		p.run(t, "notation", "sign", "--insecure-registry", "--force-referrers-tag=false", ref)
		p.run(t, "notation", "sign", "--insecure-registry", ref)
		p.wantSplit(t, subject, 3)
		p.run(t, "notation", "verify", "--insecure-registry", ref)
	})
}

func TestManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, p place) {
		ref, subject := p.image(t)
		var group sync.WaitGroup
		for i := range 32 {
			group.Go(func() {
				got := rig.Try(t, p.dir, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.signature",
					"--annotation", fmt.Sprintf("by=%d", i), "layer.txt")
				if got.Err != nil {
					t.Errorf("%v: %s", got.Err, got.Stderr)
				}
			})
		}
		group.Wait()
		p.wantSplit(t, subject, 32)
	})
}
