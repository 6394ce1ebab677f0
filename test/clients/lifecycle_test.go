package clients

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// resigned signs an image twice and has the later signature take the place of the
// earlier one.
func (w workplace) resigned(t *testing.T, ref, signature string, sign func()) {
	t.Helper()
	_, sum, _ := strings.Cut(ref, "@")
	sign()
	before := rig.Listing(t, w.backref.URL, "app", digest.Digest(sum))
	if len(before) != 1 {
		t.Fatalf("signed once, listed are %v", before)
	}
	old := before[0].Digest
	sign()
	var latest digest.Digest
	for _, entry := range rig.Listing(t, w.backref.URL, "app", digest.Digest(sum)) {
		if entry.Digest != old {
			latest = entry.Digest
		}
	}
	if latest == "" {
		t.Fatal("signed again, and there is no other signature")
	}
	came := rig.RunCommandLine(t, w.dir, "replace", "--others", "-o", "digest", w.backref.Host+"/app@"+latest.String())
	if strings.TrimSpace(came) != old.String() {
		t.Errorf("replaced: %s", came)
	}
	w.wantReferrers(t, ref, signature)
	rig.Do(t, http.MethodHead, w.registry.URL+"/v2/app/manifests/"+old.String(), nil, "Accept", rig.ImageManifest).Want(t, http.StatusNotFound)
	rig.Do(t, http.MethodHead, w.registry.URL+"/v2/app/manifests/"+latest.String(), nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
}

func TestC7ASignatureOfCosignIsRenewed(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		c := newCosign(t, w, "cosign3")
		w.resigned(t, ref, "application/vnd.dev.sigstore.bundle", func() {
			c.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes", ref)
		})
		c.do(t, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", ref)
	})
}

func TestC7ASignatureOfNotationIsRenewed(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.dir, "config"))
		ref := w.image(t)
		if err := os.WriteFile(filepath.Join(w.dir, "policy.json"), []byte(trustPolicy), 0o600); err != nil {
			t.Fatal(err)
		}
		w.run(t, "notation", "cert", "generate-test", "--default", "test.example")
		w.run(t, "notation", "policy", "import", "policy.json")
		w.resigned(t, ref, "application/vnd.cncf.notary.signature", func() {
			w.run(t, "notation", "sign", "--insecure-registry", "--force-referrers-tag=false", ref)
		})
		w.run(t, "notation", "verify", "--insecure-registry", ref)
	})
}

// Nothing is replaced by a registry that knows nothing of it, and the command says
// so.
func TestC7ARegistryAloneReplacesNothing(t *testing.T) {
	w := newWorkplace(t, rig.Distribution3)
	ref := w.image(t)
	for _, content := range []string{"one", "two"} {
		w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.x", "--annotation", "n="+content, "layer.txt")
	}
	_, sum, _ := strings.Cut(ref, "@")
	listed := rig.Listing(t, w.backref.URL, "app", digest.Digest(sum))
	got := rig.TryCommandLine(t, w.dir, "replace", w.registry.Host+"/app@"+listed[0].Digest.String(), listed[1].Digest.String())
	if got.Err == nil || !strings.Contains(got.Stderr, "replaces no referrers") {
		t.Errorf("%v %s", got.Err, got.Stderr)
	}
	w.wantReferrers(t, ref, "application/vnd.example.x", "application/vnd.example.x")
}

// A manifest goes with what real clients attached, and the command says what
// became of each.
func TestC2ADeleteTakesReferrersAlong(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		_, sum, _ := strings.Cut(ref, "@")
		sbom := rig.Listing(t, w.backref.URL, "app", digest.Digest(sum))[0].Digest.String()
		c := newCosign(t, w, "cosign3")
		c.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes", w.backref.Host+"/app@"+sbom)
		w.run(t, "regctl", "artifact", "put", "--subject", ref, "--artifact-type", "application/vnd.example.kept", "-f", "layer.txt", w.backref.Host+"/app:kept")

		var came []struct{ Outcome, Digest, ArtifactType, Reason string }
		output := rig.RunCommandLine(t, w.dir, "delete", "-o", "json", ref)
		if err := json.Unmarshal([]byte(output), &came); err != nil || len(came) != 4 {
			t.Fatalf("%v: %s", err, output)
		}
		for _, m := range came {
			status, reason := http.StatusNotFound, ""
			if m.ArtifactType == "application/vnd.example.kept" {
				status, reason = http.StatusOK, "tag kept names it"
			}
			if m.Reason != reason || (m.Outcome == "deleted") != (reason == "") {
				t.Errorf("%+v", m)
			}
			rig.Do(t, http.MethodHead, w.registry.URL+"/v2/app/manifests/"+m.Digest, nil, "Accept", rig.ImageManifest).Want(t, status)
		}
		w.wantReferrers(t, ref, "application/vnd.example.kept")
	})
}

// Where the registry deletes nothing, deletes with referrers and replacements say
// so and change nothing.
func TestC2AndC7WithoutDeletes(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewKeepingRegistry(t, version)
		w := workplaceAt(t, registry, rig.NewBackref(t, registry.URL))
		ref := w.image(t)
		for _, n := range []string{"one", "two"} {
			w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.x", "--annotation", "n="+n, "layer.txt")
		}
		_, sum, _ := strings.Cut(ref, "@")
		listed := rig.Listing(t, w.backref.URL, "app", digest.Digest(sum))
		for _, command := range [][]string{
			{"delete", ref}, {"replace", w.backref.Host + "/app@" + listed[0].Digest.String(), listed[1].Digest.String()},
		} {
			got := rig.TryCommandLine(t, w.dir, command...)
			if got.Err == nil || !strings.Contains(got.Stderr, "enable deletes") {
				t.Errorf("%v: %v %s", command, got.Err, got.Stderr)
			}
		}
		w.wantReferrers(t, ref, "application/vnd.example.x", "application/vnd.example.x")
	})
}
