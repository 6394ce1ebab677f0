package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// unitFolder is where the service and what belongs to it are.
func unitFolder(t *testing.T) string {
	return filepath.Join(rig.Root(t), "deploy", "systemd")
}

// The unit, alone and with each of its drop-ins, is one that systemd
// understands in full. It prints mistakes and goes on.
func TestUnitIsUnderstood(t *testing.T) {
	dropIns, err := filepath.Glob(filepath.Join(unitFolder(t), "drop-ins", "*.conf"))
	if err != nil || len(dropIns) == 0 {
		t.Fatalf("there are no drop-ins: %v", err)
	}
	for _, dropIn := range append(dropIns, "") {
		dir := t.TempDir()
		unit := writeFile(t, filepath.Join(dir, "backref.service"), replace(t, inTree(t, "deploy", "systemd", "backref.service"),
			"/usr/local/bin/backref ", rig.Binary(t)+" "))
		if dropIn != "" {
			into := filepath.Join(dir, "backref.service.d")
			if err := os.Mkdir(into, 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(into, filepath.Base(dropIn)), inTree(t, "deploy", "systemd", "drop-ins", filepath.Base(dropIn)))
		}
		cmd := exec.Command(rig.Tool(t, "systemd-analyze"), "verify", "--man=no", unit)
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("with %q: %v\n%s", filepath.Base(dropIn), err, said)
		}
	}
}

// The unit is exposed no more than the documentation says.
func TestUnitIsHardened(t *testing.T) {
	// Tenths: systemd 252 finds 1.1.
	said := output(t, exec.Command(rig.Tool(t, "systemd-analyze"), "security", "--offline=true", "--threshold=12",
		filepath.Join(unitFolder(t), "backref.service")))
	found := regexp.MustCompile(`exposure level for backref\.service: (\S+)`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("it says no level:\n%s", said)
	}
	if !strings.Contains(inTree(t, "docs", "deploy-hosts.md"), "`systemd-analyze security` rates it "+found[1]+" ") {
		t.Errorf("docs/deploy-hosts.md doesn't say %s", found[1])
	}
}

// Each drop-in hands over a secret by a variable that backref knows, and keeps
// it out of the unit.
func TestDropInsNameKeys(t *testing.T) {
	credential := regexp.MustCompile(`(?m)^LoadCredential=([\w.-]+):/etc/backref/credentials/([\w.-]+)$`)
	variable := regexp.MustCompile(`(?m)^Environment=(BACKREF_\w+)=%d/([\w.-]+)$`)
	for _, name := range []string{"admin-token", "database-password", "registry-password", "tls"} {
		text := inTree(t, "deploy", "systemd", "drop-ins", name+".conf")
		loaded := map[string]bool{}
		for _, found := range credential.FindAllStringSubmatch(text, -1) {
			loaded[found[1]] = found[1] == found[2]
		}
		cmd := exec.Command(rig.Binary(t), "config", "--upstream", "http://127.0.0.1:5000",
			"--set", "upstream.service.username=backref", "--set", "index.postgres.url=postgres://backref@db/backref")
		cmd.Env = os.Environ()
		used := variable.FindAllStringSubmatch(text, -1)
		for _, found := range used {
			if !loaded[found[2]] {
				t.Errorf("%s: %s is not loaded", name, found[2])
			}
			cmd.Env = append(cmd.Env, found[1]+"=/run/credentials/backref.service/"+found[2])
		}
		if len(used) == 0 || len(used) != len(loaded) {
			t.Errorf("%s: %d are loaded and %d used", name, len(loaded), len(used))
		}
		if name != "registry-password" {
			cmd.Args = append(cmd.Args, "--set", "upstream.service.passwordFile=password")
		}
		if printed := output(t, cmd); strings.Count(printed, "/run/credentials/backref.service/") != len(used) {
			t.Errorf("%s: the configuration has not all of it:\n%s", name, printed)
		}
	}
}
