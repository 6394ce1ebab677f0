package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// image pushes an image and returns its reference by digest, by which it is
// signed.
func (w workplace) image(t *testing.T) string {
	t.Helper()
	tag := w.backref.Host + "/app:v1"
	w.run(t, "oras", "push", "--plain-http", tag, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
	return w.backref.Host + "/app@" + strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", tag))
}

// wantReferrers compares the artifact types that backref lists.
func (w workplace) wantReferrers(t *testing.T, ref string, want ...string) {
	t.Helper()
	_, sum, _ := strings.Cut(ref, "@")
	for _, d := range rig.Listing(t, w.backref.URL, "app", digest.Digest(sum)) {
		found := false
		for i, artifactType := range want {
			if strings.HasPrefix(d.ArtifactType, artifactType) {
				want, found = append(want[:i:i], want[i+1:]...), true
				break
			}
		}
		if !found {
			t.Errorf("unexpected referrer %s of type %s", d.Digest, d.ArtifactType)
		}
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
}

// copied copies an image with its signatures into the registry past backref,
// and returns its reference there.
func (w workplace) copied(t *testing.T, ref string) string {
	t.Helper()
	target := w.registry.Host + "/copied"
	rig.RunCommandLine(t, w.dir, "copy", "--referrers", ref, target+":v1")
	_, sum, _ := strings.Cut(ref, "@")
	return target + "@" + sum
}

// cosignSession runs a version of cosign with a key pair of its own, and
// neither a transparency log nor the internet.
type cosignSession struct {
	workplace
	program string
}

func newCosign(t *testing.T, w workplace, program string) cosignSession {
	t.Helper()
	t.Setenv("COSIGN_PASSWORD", "of the test")
	t.Setenv("COSIGN_EXPERIMENTAL", "1")
	w.run(t, program, "generate-key-pair")
	root := `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
	if err := os.WriteFile(filepath.Join(w.dir, "root.json"), []byte(root), 0o600); err != nil {
		t.Fatal(err)
	}
	return cosignSession{w, program}
}

func (c cosignSession) do(t *testing.T, command string, args ...string) string {
	t.Helper()
	return c.run(t, c.program, append([]string{command, "--allow-http-registry"}, args...)...)
}

// mustNotVerify makes sure that a verification means something: nothing was
// signed by another key.
func (c cosignSession) mustNotVerify(t *testing.T, args ...string) {
	t.Helper()
	other := t.TempDir()
	rig.Run(t, other, c.program, "generate-key-pair")
	args = append([]string{"verify", "--allow-http-registry", "--key", filepath.Join(other, "cosign.pub"), "--insecure-ignore-tlog"}, args...)
	if got := rig.Try(t, c.dir, c.program, args...); got.Err == nil {
		t.Errorf("%s verifies what another key has signed", c.program)
	}
}

func TestC10Cosign2(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		c := newCosign(t, w, "cosign2")
		c.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--registry-referrers-mode=oci-1-1", "--yes", ref)
		c.do(t, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--experimental-oci11", ref)
		c.mustNotVerify(t, "--experimental-oci11", ref)
		c.do(t, "attest", "--key", "cosign.key", "--tlog-upload=false", "--new-bundle-format", "--predicate", "sbom.json", "--type", "spdxjson", "--yes", ref)
		w.wantNoReferrersTag(t, "app")
		w.wantReferrers(t, ref, "application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.dev.sigstore.bundle")
		c.do(t, "verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--new-bundle-format", "--trusted-root", "root.json", "--type", "spdxjson", ref)
	})
}

func TestC10Cosign3(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		c := newCosign(t, w, "cosign3")
		c.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes", ref)
		c.do(t, "attest", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--predicate", "sbom.json", "--type", "spdxjson", "--yes", ref)
		w.wantNoReferrersTag(t, "app")
		w.wantReferrers(t, ref, "application/vnd.dev.sigstore.bundle", "application/vnd.dev.sigstore.bundle")
		c.do(t, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", ref)
		c.do(t, "verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", "--type", "spdxjson", ref)
		c.mustNotVerify(t, "--trusted-root", "root.json", ref)
		c.do(t, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", w.copied(t, ref))
	})
}

// trustPolicy has notation accept who is in the trust store of the test.
const trustPolicy = `{"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
	"signatureVerification": {"level": "strict"}, "trustStores": ["ca:test.example"], "trustedIdentities": ["*"]}]}`

func TestC11Notation(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.dir, "config"))
		ref := w.image(t)
		if err := os.WriteFile(filepath.Join(w.dir, "policy.json"), []byte(trustPolicy), 0o600); err != nil {
			t.Fatal(err)
		}
		w.run(t, "notation", "cert", "generate-test", "--default", "test.example")
		w.run(t, "notation", "policy", "import", "policy.json")
		if got := rig.Try(t, w.dir, "notation", "verify", "--insecure-registry", ref); got.Err == nil {
			t.Error("notation verifies what nobody has signed")
		}
		w.run(t, "notation", "sign", "--insecure-registry", "--force-referrers-tag=false", ref)
		w.wantNoReferrersTag(t, "app")
		w.wantReferrers(t, ref, "application/vnd.cncf.notary.signature")
		w.run(t, "notation", "verify", "--insecure-registry", ref)
		w.run(t, "notation", "verify", "--insecure-registry", w.copied(t, ref))

		// By default it writes the referrers tag, whatever the registry can do: but
		// what it finds there has its signature already.
		w.run(t, "notation", "sign", "--insecure-registry", ref)
		w.wantNoReferrersTag(t, "app")
		w.wantReferrers(t, ref, "application/vnd.cncf.notary.signature", "application/vnd.cncf.notary.signature")
		w.run(t, "notation", "verify", "--insecure-registry", ref)
	})
}
