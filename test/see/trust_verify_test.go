package see

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// signing is an image behind backref, and a folder with what signs it.
type signing struct {
	t   *testing.T
	dir string
	ref string
}

func newSigning(t *testing.T) signing {
	t.Helper()
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL)
	s := signing{t, t.TempDir(), ""}
	s.write("config.json", `{"architecture":"amd64","os":"linux"}`)
	s.write("layer.txt", "layer")
	s.write("sbom.json", `{"spdxVersion":"SPDX-2.3"}`)
	s.write("root.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)
	tag := backref.Host + "/app:v1"
	s.run("oras", "push", "--plain-http", tag, "--config", "config.json:"+rig.ImageConfig, "layer.txt")
	s.ref = backref.Host + "/app@" + strings.TrimSpace(s.run("oras", "resolve", "--plain-http", tag))
	return s
}

func (s signing) write(name, content string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s signing) run(name string, args ...string) string {
	s.t.Helper()
	return rig.Run(s.t, s.dir, name, args...)
}

// configure writes a configuration with signers, each as YAML in one line.
func (s signing) configure(signers ...string) {
	s.t.Helper()
	s.write("backref.yaml", "verify:\n  signers:\n    - "+strings.Join(signers, "\n    - ")+"\n")
}

// verdict is what the command prints of an artifact.
type verdict struct {
	Signature, Verified, Legacy bool
	ArtifactType                string
	By                          []string
	Reason                      string
	Claims                      []struct{ Format, Identity, KeyHint, Predicate string }
}

// verify runs the command, which succeeds where something is verified.
func (s signing) verify(succeeds bool, args ...string) []verdict {
	s.t.Helper()
	got := rig.TryCommandLine(s.t, s.dir, append([]string{"verify", "--config", "backref.yaml", "-o", "json", s.ref}, args...)...)
	if (got.Err == nil) != succeeds {
		s.t.Errorf("verify: %v\n%s%s", got.Err, got.Stdout, got.Stderr)
	}
	var verdicts []verdict
	if err := json.Unmarshal([]byte(got.Stdout), &verdicts); err != nil {
		s.t.Fatalf("%v: %s%s", err, got.Stdout, got.Stderr)
	}
	return verdicts
}

// all makes sure that each of some artifacts is verified by a signer, or by none for
// a reason.
func (s signing) all(verdicts []verdict, count int, by, reason string) {
	s.t.Helper()
	if len(verdicts) != count {
		s.t.Errorf("%d artifacts are judged, want %d: %+v", len(verdicts), count, verdicts)
	}
	for _, v := range verdicts {
		if !v.Signature || strings.Join(v.By, ",") != by || !strings.Contains(v.Reason, reason) || reason == "" && v.Reason != "" || len(v.Claims) == 0 {
			s.t.Errorf("%+v, want it verified by %q, or the reason %q", v, by, reason)
		}
	}
}

// keys makes a key pair of cosign in the folder, under a name.
func (s signing) keys(program, name string) {
	s.t.Helper()
	s.t.Setenv("COSIGN_PASSWORD", "of the test")
	s.t.Setenv("COSIGN_EXPERIMENTAL", "1")
	s.run(program, "generate-key-pair", "--output-key-prefix", name)
}

// cosign signs and attests, and the command is asked with the right signer, with
// another key, and with a signer of other repositories.
func (s signing) cosign(program string, artifacts int, sign ...[]string) {
	s.t.Helper()
	s.keys(program, "ours")
	s.keys(program, "other")
	for _, args := range sign {
		s.run(program, append(append(args, "--allow-http-registry", "--key", "ours.key", "--tlog-upload=false", "--yes"), s.ref)...)
	}
	s.configure("{name: release, keyFile: ours.pub}", "{name: other, keyFile: other.pub}")
	s.all(s.verify(true), artifacts, "release", "")
	s.verify(true, "--signed-by", "release")
	s.verify(false, "--signed-by", "other")
	s.configure("{name: other, keyFile: other.pub}")
	s.all(s.verify(false), artifacts, "", "no")
	s.configure("{name: release, keyFile: ours.pub, repositories: [team/**]}")
	s.all(s.verify(false), artifacts, "", "no signer is configured for this repository")
}

func TestVerifyCosign2(t *testing.T) {
	s := newSigning(t)
	s.cosign("cosign2", 2, []string{"sign", "--registry-referrers-mode=oci-1-1"}, []string{"attest", "--new-bundle-format", "--predicate", "sbom.json", "--type", "spdxjson"})
}

func TestVerifyCosign2UnderTags(t *testing.T) {
	s := newSigning(t)
	s.cosign("cosign2", 2, []string{"sign"}, []string{"attest", "--predicate", "sbom.json", "--type", "spdxjson"})
}

func TestVerifyCosign3(t *testing.T) {
	s := newSigning(t)
	s.cosign("cosign3", 2, []string{"sign", "--use-signing-config=false"}, []string{"attest", "--use-signing-config=false", "--predicate", "sbom.json", "--type", "spdxjson"})
}

func TestVerifyCosign3InTheOldFormat(t *testing.T) {
	s := newSigning(t)
	s.cosign("cosign3", 1, []string{"sign", "--use-signing-config=false", "--new-bundle-format=false"})
}

func TestVerifyNotation(t *testing.T) {
	s := newSigning(t)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.dir, "config"))
	s.run("notation", "cert", "generate-test", "--default", "test.example")
	for _, format := range []string{"jws", "cose"} {
		s.run("notation", "sign", "--insecure-registry", "--force-referrers-tag=false", "--signature-format", format, s.ref)
	}
	certificate := filepath.Join(s.dir, "config", "notation", "localkeys", "test.example.crt")
	s.configure("{name: notary, notation: {certificateFiles: [" + certificate + "], identities: ['x509.subject: C=US, ST=WA, O=Notary']}}")
	s.all(s.verify(true), 2, "notary", "")
	s.configure("{name: notary, notation: {certificateFiles: [" + certificate + "], identities: ['x509.subject: C=US, ST=WA, O=Other']}}")
	s.all(s.verify(false), 2, "", "which no signer of this repository is")
}

// What is wrong with a signer is said with its key, before anything is asked.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	s := signing{t, t.TempDir(), "127.0.0.1:1/app:v1"}
	for signer, reason := range map[string]string{
		"{name: a}":                                    "verify.signers[0]: signer a needs keyFile",
		"{name: a, keyFile: gone.pub}":                 "verify.signers[0].keyFile: open gone.pub",
		"{name: a, keyFile: backref.yaml}":             "verify.signers: signer a: the key: is not one public key in PEM",
		"{name: a, issuer: b, identity: c}":            "signer a needs trustedRootFile",
		"{name: a, keyFile: b, issuer: c}":             "signer a has more than one of",
		"{name: a, notation: {certificateFiles: [b]}}": "signer a needs notation.identities",
	} {
		s.configure(signer)
		got := rig.TryCommandLine(t, s.dir, "verify", "--config", "backref.yaml", s.ref)
		if got.Err == nil || !strings.Contains(got.Stderr, reason) {
			t.Errorf("%s: %s, want %s", signer, got.Stderr, reason)
		}
	}
}
