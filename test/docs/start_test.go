package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// The page for beginners is run as it is printed: its blocks of shell, one after
// the other, in one folder. Only the addresses are others, so that it can be run
// beside anything else.
func TestStart(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/start.md"))
	if err != nil {
		t.Fatal(err)
	}
	registry := rig.NewRegistry(t, rig.Distribution2)
	front, admin := rig.FreeAddress(t), rig.FreeAddress(t)
	script := "set -euo pipefail\n"
	fenced, _ := blocks(string(page))
	for _, b := range fenced {
		if b.language == "sh" {
			script += b.text
		}
	}
	// What is started in the background ends with the test.
	script = strings.Replace(script, "2>backref.log &\n", "2>backref.log &\necho $! >backref.pid\n", 1)
	_, port, _ := strings.Cut(front, ":")
	script = strings.NewReplacer("http://localhost:5000", registry.URL, "localhost:8080", "localhost:"+port).Replace(script)
	dir, bin := t.TempDir(), t.TempDir()
	for name, program := range map[string]string{"backref": rig.Binary(t), "oras": rig.Tool(t, "oras"), "cosign": rig.Tool(t, "cosign3")} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "trap 'kill $(cat backref.pid); wait' EXIT\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "DOCKER_CONFIG="+dir,
		"BACKREF_SERVER_LISTEN="+front, "BACKREF_ADMIN_LISTEN="+admin)
	output, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "backref.log"))
		t.Fatalf("%v\n%s\nthe server's log:\n%s", err, output, log)
	}
	for _, want := range []string{
		"SPDX SBOM", "sigstore bundle", `"tags":["v1"]`, // the tree, and the tags
		`"manifests":[{`, // the extension's answer
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("lacks %q:\n%s", want, output)
		}
	}
}
