package access

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Every client signs in with a password and with a token in its place, pushes,
// attaches and discovers, in front of registries with and without a password.
func TestClients(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		for name, password := range map[string]bool{"registry with password": true, "open registry": false} {
			t.Run(name, func(t *testing.T) {
				p := newPlace(t, version, password)
				token := p.issuer.Token("rsa", "eve", map[string]any{"groups": []string{"dev"}})
				for name, c := range map[string]desk{
					"password": {p, t.TempDir(), "ann", annPassword},
					"token":    {p, t.TempDir(), "token", token},
				} {
					t.Run(name, func(t *testing.T) {
						c.prepare(t)
						t.Run("oras", c.oras)
						t.Run("regctl", c.regctl)
						t.Run("crane", c.crane)
						t.Run("skopeo", c.skopeo)
						t.Run("strangers", c.strangers)
					})
				}
			})
		}
	})
}

// desk is where one user works with clients.
type desk struct {
	*place
	dir, user, password string
}

func (d desk) prepare(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(d.dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"layer.txt": "layer", "sbom.json": `{"spdxVersion":"SPDX-2.3"}`, "policy.json": `{"default":[{"type":"insecureAcceptAnything"}]}`,
		".regctl/config.json": `{"hosts":{"` + d.backref.Host + `":{"tls":"disabled"}}}`,
		"image.json":          `{"architecture":"amd64","os":"linux"}`,
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (d desk) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return rig.Run(t, d.dir, name, args...)
}

// refs are the names of images that the user may push.
func (d desk) ref(client, tag string) string {
	return d.backref.Host + "/team/" + client + "-" + d.user + ":" + tag
}

func (d desk) oras(t *testing.T) {
	d.run(t, "oras", "login", "--plain-http", "-u", d.user, "-p", d.password, d.backref.Host)
	ref := d.ref("oras", "v1")
	d.run(t, "oras", "push", "--plain-http", ref, "--config", "image.json:"+rig.ImageConfig, "layer.txt")
	d.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
	var found struct {
		Referrers []struct{ ArtifactType string }
	}
	output := d.run(t, "oras", "discover", "--plain-http", "--format", "json", ref)
	if err := json.Unmarshal([]byte(output), &found); err != nil || len(found.Referrers) != 1 || found.Referrers[0].ArtifactType != "application/spdx+json" {
		t.Errorf("oras discover: %v: %s", err, output)
	}
	d.run(t, "oras", "cp", "--from-plain-http", "--to-plain-http", "-r", ref, d.ref("oras", "copied"))
}

func (d desk) regctl(t *testing.T) {
	d.run(t, "regctl", "registry", "login", d.backref.Host, "-u", d.user, "-p", d.password)
	source, ref := d.ref("oras", "v1"), d.ref("regctl", "v1")
	d.run(t, "regctl", "image", "copy", source, ref)
	d.run(t, "regctl", "artifact", "put", "--subject", ref, "--artifact-type", "application/spdx+json", "-f", "sbom.json", "-m", "application/spdx+json")
	list := d.run(t, "regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.ArtifactType}} {{end}}", ref)
	if strings.TrimSpace(list) != "application/spdx+json" {
		t.Errorf("regctl artifact list: %q", list)
	}
}

func (d desk) crane(t *testing.T) {
	d.run(t, "crane", "auth", "login", "--insecure", "-u", d.user, "-p", d.password, d.backref.Host)
	source, ref := d.ref("oras", "v1"), d.ref("crane", "v1")
	d.run(t, "crane", "copy", "--insecure", source, ref)
	if got, want := d.run(t, "crane", "digest", "--insecure", ref), d.run(t, "crane", "digest", "--insecure", source); got != want {
		t.Errorf("the copy is %s, not %s", got, want)
	}
	d.run(t, "crane", "tag", "--insecure", ref, "v2")
	d.run(t, "crane", "pull", "--insecure", "--format", "oci", ref, filepath.Join(d.dir, "layout"))
}

func (d desk) skopeo(t *testing.T) {
	authfile := filepath.Join(d.dir, "auth.json")
	d.run(t, "skopeo", "login", "--tls-verify=false", "--authfile", authfile, "-u", d.user, "-p", d.password, d.backref.Host)
	d.run(t, "skopeo", "--policy", filepath.Join(d.dir, "policy.json"), "--tmpdir", d.dir, "copy", "--authfile", authfile,
		"--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+d.ref("oras", "v1"), "docker://"+d.ref("skopeo", "v1"))
	var inspected struct{ Digest string }
	output := d.run(t, "skopeo", "inspect", "--tls-verify=false", "--authfile", authfile, "docker://"+d.ref("skopeo", "v1"))
	if err := json.Unmarshal([]byte(output), &inspected); err != nil || inspected.Digest == "" {
		t.Errorf("skopeo inspect: %v: %s", err, output)
	}
}

// strangers get in nowhere by signing in wrong, or not at all.
func (d desk) strangers(t *testing.T) {
	dir := t.TempDir()
	for _, c := range [][]string{
		{"oras", "login", "--plain-http", "-u", d.user, "-p", "wrong", d.backref.Host},
		{"skopeo", "login", "--tls-verify=false", "--authfile", filepath.Join(dir, "auth.json"), "-u", d.user, "-p", "wrong", d.backref.Host},
		{"oras", "discover", "--plain-http", d.ref("oras", "v1")},
		{"crane", "digest", "--insecure", d.ref("oras", "v1")},
		{"oras", "push", "--plain-http", d.ref("oras", "v3"), "--artifact-type", "application/vnd.example"},
	} {
		if got := rig.Try(t, dir, c[0], c[1:]...); got.Err == nil {
			t.Errorf("%v went well: %s", c[:2], got.Stdout)
		}
	}
}

// Without credentials clients pull what is open to all.
func TestAnonymousPull(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		p := newPlace(t, version, true)
		image := rig.Image("open")
		root := p.clientsOf()["root"]
		p.put(root, "public/app", "v1", image)
		p.put(root, "public/app", "signed", rig.Artifact("application/vnd.example.signature", "s", image.Descriptor()))
		dir, ref := t.TempDir(), p.backref.Host+"/public/app:v1"
		if got := rig.Run(t, dir, "crane", "digest", "--insecure", ref); strings.TrimSpace(got) != image.Digest().String() {
			t.Errorf("crane digest: %s", got)
		}
		if got := rig.Run(t, dir, "oras", "discover", "--plain-http", "--format", "json", ref); !strings.Contains(got, "vnd.example.signature") {
			t.Errorf("oras discover: %s", got)
		}
		rig.Run(t, dir, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+ref)
		if got := rig.Try(t, dir, "oras", "tag", "--plain-http", ref, "v2"); got.Err == nil {
			t.Error("a stranger set a tag")
		}
	})
}
