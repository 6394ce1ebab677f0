package see

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// covered is what the command prints of how images fare.
type covered struct {
	Repositories []struct {
		Images []struct {
			Tags         []string
			Platform     string
			Requirements []struct{ Requirement, State, Reason string }
		}
	}
	Summary struct{ Images, Covered int }
}

// states returns the state of each image by tag, platform and requirement.
func (c covered) states() map[string]string {
	states := map[string]string{}
	for _, repository := range c.Repositories {
		for _, image := range repository.Images {
			for _, outcome := range image.Requirements {
				states[strings.TrimSpace(strings.Join(image.Tags, ",")+" "+image.Platform)+" "+outcome.Requirement] = outcome.State
			}
		}
	}
	return states
}

// coverage runs the command, which succeeds where no image lacks anything.
func (s signing) coverage(code int, args ...string) map[string]string {
	s.t.Helper()
	host, _, _ := strings.Cut(s.ref, "/")
	got := rig.TryCommandLine(s.t, s.dir, append([]string{"coverage", "-o", "json", host + "/app"}, args...)...)
	if (got.Err == nil) != (code == 0) {
		s.t.Errorf("coverage %q: %v\n%s", args, got.Err, got.Stderr)
	}
	var found covered
	if err := json.Unmarshal([]byte(got.Stdout), &found); err != nil {
		s.t.Fatalf("coverage %q: %v: %s%s", args, err, got.Stdout, got.Stderr)
	}
	return found.states()
}

// wants compares states.
func (s signing) wants(got map[string]string, want ...string) {
	s.t.Helper()
	if len(got) != len(want)/2 {
		s.t.Errorf("%d states, want %d: %v", len(got), len(want)/2, got)
	}
	for i := 0; i < len(want); i += 2 {
		if got[want[i]] != want[i+1] {
			s.t.Errorf("%s is %q, want %q", want[i], got[want[i]], want[i+1])
		}
	}
}

// newSigned is an image behind a backref that knows the signers release and other.
func newSigned(t *testing.T) signing {
	t.Helper()
	s := signing{t, t.TempDir(), ""}
	s.keys("cosign3", "ours")
	s.keys("cosign3", "other")
	s.write("signers.yaml", "verify:\n  signers:\n    - {name: release, keyFile: "+filepath.Join(s.dir, "ours.pub")+"}\n    - {name: other, keyFile: "+filepath.Join(s.dir, "other.pub")+"}\n")
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, "--config", filepath.Join(s.dir, "signers.yaml"))
	s.write("config.json", `{"architecture":"amd64","os":"linux"}`)
	s.write("layer.txt", "layer")
	s.write("sbom.json", `{"spdxVersion":"SPDX-2.3"}`)
	tag := backref.Host + "/app:v1"
	s.run("oras", "push", "--plain-http", tag, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
	s.ref = backref.Host + "/app@" + strings.TrimSpace(s.run("oras", "resolve", "--plain-http", tag))
	return s
}

func (s signing) cosign3(args ...string) {
	s.t.Helper()
	s.run("cosign3", append(append(args, "--use-signing-config=false", "--allow-http-registry", "--key", "ours.key", "--tlog-upload=false", "--yes"), s.ref)...)
}

// An image lacks what nobody attached, and a signature counts by whose it is.
func TestCoverageBySigners(t *testing.T) {
	s := newSigned(t)
	s.wants(s.coverage(1), "v1 signature", "missing", "v1 sbom", "missing")
	s.cosign3("sign")
	s.wants(s.coverage(1), "v1 signature", "covered", "v1 sbom", "missing")
	s.wants(s.coverage(0, "--require", "signature", "--signed-by", "release"), "v1 signature", "covered")
	s.wants(s.coverage(1, "--require", "signature", "--signed-by", "other"), "v1 signature", "unverified")

	// What is merely attached is nobody's; what is attested is by who signed.
	s.run("oras", "attach", "--plain-http", "--artifact-type", "application/spdx+json", s.ref, "sbom.json")
	s.wants(s.coverage(0), "v1 signature", "covered", "v1 sbom", "covered")
	s.wants(s.coverage(1, "--signed-by", "release"), "v1 signature", "covered", "v1 sbom", "unverified")
	s.cosign3("attest", "--predicate", "sbom.json", "--type", "spdxjson")
	s.wants(s.coverage(0, "--signed-by", "release"), "v1 signature", "covered", "v1 sbom", "covered")
	s.wants(s.coverage(1, "--signed-by", "other"), "v1 signature", "unverified", "v1 sbom", "unverified")
	s.wants(s.coverage(1, "--require", "attestation:https://slsa.dev/*", "--signed-by", "release"), "v1 attestation:https://slsa.dev/*", "missing")
	s.wants(s.coverage(1, "--require", "signature", "--max-age", "1ns"), "v1 signature", "outdated")
}

// The tag that cosign 2 keeps signatures by counts, and is no image itself.
func TestCoverageOfCosign2(t *testing.T) {
	s := newSigned(t)
	s.run("cosign2", "sign", "--allow-http-registry", "--key", "ours.key", "--tlog-upload=false", "--yes", s.ref)
	s.wants(s.coverage(0, "--require", "signature"), "v1 signature", "covered")
	s.wants(s.coverage(0, "--require", "signature", "--signed-by", "release"), "v1 signature", "covered")
	s.wants(s.coverage(1, "--require", "signature", "--signed-by", "other"), "v1 signature", "unverified")
}

// A signature of notation counts, and what an artifact says of its end is believed.
func TestCoverageOfNotationAndExpiry(t *testing.T) {
	s := newSigned(t)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.dir, "config"))
	s.run("notation", "cert", "generate-test", "--default", "test.example")
	s.run("notation", "sign", "--insecure-registry", "--force-referrers-tag=false", s.ref)
	s.wants(s.coverage(0, "--require", "signature"), "v1 signature", "covered")
	s.run("oras", "attach", "--plain-http", "--artifact-type", "application/spdx+json", "--annotation", "com.github.backref.expires=2020-01-01T00:00:00Z", s.ref, "sbom.json")
	s.wants(s.coverage(1, "--require", "sbom"), "v1 sbom", "expired")
}

// An SBOM that a signer attested is none of what its annotations make of it.
func TestCoverageByWhatIsSigned(t *testing.T) {
	s := newSigned(t)
	s.cosign3("attest", "--predicate", "sbom.json", "--type", "custom")
	var listed struct {
		Referrers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(s.run("oras", "discover", "--plain-http", "--format", "json", s.ref)), &listed); err != nil || len(listed.Referrers) != 1 {
		t.Fatal(err, listed)
	}
	repository, _, _ := strings.Cut(s.ref, "@")
	honest := s.run("oras", "manifest", "fetch", "--plain-http", repository+"@"+listed.Referrers[0].Digest)
	var manifest map[string]any
	if err := json.Unmarshal([]byte(honest), &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["annotations"] = map[string]string{"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"}
	forged, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	s.write("forged.json", string(forged))
	s.run("oras", "manifest", "push", "--plain-http", repository, "forged.json")
	s.wants(s.coverage(0, "--require", "sbom"), "v1 sbom", "covered")
	s.wants(s.coverage(1, "--require", "sbom", "--signed-by", "release"), "v1 sbom", "unverified")
}
