package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// runtimeRules has the listener runtime serve images only.
const runtimeRules = "artifacts: {rules: [{name: runtime-images, repositories: ['**'], actions: [pull], listeners: [runtime], allow: [images]}]}\n"

// attempt is a client that asks for something.
type attempt struct {
	what string
	args []string
}

// M3: by a listener that serves images only all clients get images, and no
// signature, no SBOM, and no list of them, with and without a cache; what they are
// told names the rule. When the rule goes they get all.
func TestM3AListenerServesImagesOnly(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		address, rules := rig.FreeAddress(t), filepath.Join(t.TempDir(), "backref.yaml")
		writeRules := func(text string) {
			if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		writeRules(runtimeRules)
		w.backref.Restart("--config", rules, "--set", "server.listeners=[{name: runtime, listen: '"+address+"'}]", "--set", "reload.watch=false")
		ref := w.image(t)
		_, sum, _ := strings.Cut(ref, "@")
		w.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		c := newCosign(t, w, "cosign3")
		signing := []string{"--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes"}
		c.do(t, "sign", append(signing, ref)...)
		verifying := func(ref string) []string {
			return []string{"cosign3", "verify", "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", ref}
		}
		w.run(t, "regctl", "registry", "set", "--tls", "disabled", address)
		var sbom string
		for _, entry := range rig.Listing(t, w.backref.URL, "app", digest.Digest(sum)) {
			if entry.ArtifactType == "application/spdx+json" {
				sbom = entry.Digest.String()
			}
		}
		at := address + "/app"
		images := []attempt{
			{"crane by tag", []string{"crane", "pull", "--insecure", at + ":v1", filepath.Join(t.TempDir(), "image.tar")}},
			{"crane by digest", []string{"crane", "manifest", "--insecure", at + "@" + sum}},
			{"regctl by tag", []string{"regctl", "image", "copy", at + ":v1", "ocidir://" + filepath.Join(t.TempDir(), "copy")}},
			{"oras by tag", []string{"oras", "manifest", "fetch", "--plain-http", at + ":v1"}},
			{"skopeo by tag", []string{"skopeo", "inspect", "--raw", "--tls-verify=false", "docker://" + at + ":v1"}},
		}
		artifacts := []attempt{
			{"crane, the SBOM", []string{"crane", "manifest", "--insecure", at + "@" + sbom}},
			{"crane, its digest", []string{"crane", "digest", "--insecure", at + "@" + sbom}},
			{"regctl, the SBOM", []string{"regctl", "artifact", "get", at + "@" + sbom}},
			{"regctl, the list", []string{"regctl", "artifact", "list", at + ":v1"}},
			{"oras, the SBOM", []string{"oras", "pull", "--plain-http", at + "@" + sbom, "-o", filepath.Join(t.TempDir(), "pulled")}},
			{"oras, the list", []string{"oras", "discover", "--plain-http", at + "@" + sum}},
			{"containerd, the list", []string{"referrers-containerd", at + "@" + sum}},
			{"crane's library, the list", []string{"referrers-crane", at + "@" + sum}},
			{"cosign", verifying(at + "@" + sum)},
		}
		passing := func(attempts []attempt) {
			t.Helper()
			for _, a := range attempts {
				if got := rig.Try(t, w.dir, a.args[0], a.args[1:]...); got.Err != nil {
					t.Errorf("%s: %v: %s", a.what, got.Err, got.Stderr)
				}
			}
		}
		for _, cache := range []string{"0", "8MiB"} {
			w.backref.Restart("--set", "cache.manifests="+cache)
			// What others pulled may be in the cache.
			for range 2 {
				rig.Do(t, http.MethodGet, w.backref.URL+"/v2/app/manifests/"+sbom, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
			}
			passing(images)
			pullAsContainerd(t, "http://"+address, "app", "v1")
			for _, a := range artifacts {
				if got := rig.Try(t, w.dir, a.args[0], a.args[1:]...); got.Err == nil {
					t.Errorf("cache %s: %s: it went well: %s", cache, a.what, got.Stdout)
				}
			}
			if got := rig.Try(t, w.dir, "oras", "manifest", "fetch", "--plain-http", at+"@"+sbom); !strings.Contains(got.Stderr, "runtime-images") {
				t.Errorf("oras is not told the rule: %s", got.Stderr)
			}
		}
		rig.Run(t, w.dir, "cosign3", verifying(ref)[1:]...)
		denied := w.backref.Run(t, "audit", "--rule", "runtime-images", "--format", "{{.userAgent}}")
		for _, client := range []string{"oras/", "cosign/", "regclient/regctl", "crane/"} {
			if !strings.Contains(denied, client) {
				t.Errorf("the audit does not tell of %s: %s", client, denied)
			}
		}
		writeRules("log: {level: info}\n")
		if err := syscall.Kill(w.backref.PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			if strings.Contains(strings.Join(w.backref.Log(), "\n"), "the configuration was read again") {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		passing(artifacts)
	})
}

// pullAsContainerd pulls an image as containerd 2 does: it asks what the tag stands
// for, then for that, naming the registry that it means.
func pullAsContainerd(t *testing.T, base, repository, tag string) {
	t.Helper()
	header := []string{
		"User-Agent", "containerd/2.1.0",
		"Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, " + rig.ImageManifest + ", " + rig.ImageIndex + ", */*",
	}
	head := rig.Do(t, http.MethodHead, base+"/v2/"+repository+"/manifests/"+tag+"?ns=docker.io", nil, header...).Want(t, http.StatusOK)
	sum := digest.Digest(head.Header.Get("Docker-Content-Digest"))
	got := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+sum.String()+"?ns=docker.io", nil, header...).Want(t, http.StatusOK)
	if sum.Algorithm().FromBytes(got.Body) != sum {
		t.Errorf("%s has other bytes: %s", sum, got.Body)
	}
}
