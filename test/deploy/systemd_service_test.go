package deploy

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// The unit under a real systemd, with its users, folders and a credential: it
// serves, is confined, comes back after a crash with what it has acknowledged,
// and stops in order.
func TestUnitServes(t *testing.T) {
	needRoot(t)
	registry := rig.NewRegistry(t, rig.Distribution3)
	m := newMachine(t, "http://127.0.0.1:5000")
	relayOut(t, m.pid, "127.0.0.1:5000", registry.Host)

	// It returns when backref has said that it serves.
	m.systemctl(t, "start", "backref.service")
	front, admin := "http://"+relayIn(t, m.pid, "127.0.0.1:8080"), "http://"+relayIn(t, m.pid, "127.0.0.1:5001")
	m.wantConfined(t)
	subject, referrer := pushSigned(t, front, "app")
	wantReferrer(t, front, "app", subject, referrer)
	rig.Do(t, http.MethodGet, admin+"/admin/stats", nil).Want(t, http.StatusUnauthorized)
	rig.Do(t, http.MethodGet, admin+"/admin/stats", nil, "Authorization", "Bearer "+machineToken).Want(t, http.StatusOK)
	output(t, m.run("env", "--chdir=/var/lib/backref", "BACKREF_ADMIN_TOKEN_FILE=/etc/backref/credentials/admin-token",
		"/usr/local/bin/backref", "index", "backup", "copy.db", "--config", "/etc/backref/backref.yaml"))

	m.systemctl(t, "reload", "backref.service")
	m.awaitLog(t, "the configuration was read again")
	m.await(t, "NRestarts=0", "ActiveState=active")

	m.systemctl(t, "kill", "--signal=KILL", "--kill-who=main", "backref.service")
	m.await(t, "NRestarts=1", "ActiveState=active")
	wantReferrer(t, front, "app", subject, referrer)

	m.dropIn(t, "port-443")
	m.systemctl(t, "daemon-reload")
	m.systemctl(t, "restart", "backref.service")
	wantReferrer(t, "http://"+relayIn(t, m.pid, "127.0.0.1:443"), "app", subject, referrer)

	m.systemctl(t, "stop", "backref.service")
	m.await(t, "ActiveState=inactive", "Result=success")
}

// machineToken is the admin token, as a file has it that root alone reads.
const machineToken = "token-of-a-file"

// machine is a systemd with a network, users and folders of its own, which
// shares the programs of this one.
type machine struct {
	root string
	// pid is that of systemd.
	pid int
}

// dropIn installs one of the drop-ins.
func (m machine) dropIn(t *testing.T, name string) {
	t.Helper()
	folder := filepath.Join(m.root, "etc/systemd/system/backref.service.d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, name+".conf"), inTree(t, "deploy", "systemd", "drop-ins", name+".conf"))
}

// systemctl runs the program of that name in the machine.
func (m machine) systemctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := m.try(args...)
	if err != nil {
		journal, _ := m.run("journalctl", "--no-pager", "--lines=40", "--unit=backref.service").CombinedOutput()
		t.Fatalf("systemctl %s: %v\n%s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

func (m machine) try(args ...string) (string, error) {
	out, err := m.run("systemctl", args...).CombinedOutput()
	return string(out), err
}

// await waits until the service has some properties, as systemctl show has them.
func (m machine) await(t *testing.T, properties ...string) {
	t.Helper()
	var shown string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		shown = m.systemctl(t, "show", "backref.service", "--property=ActiveState,Result,NRestarts")
		missing := false
		for _, property := range properties {
			missing = missing || !strings.Contains("\n"+shown, "\n"+property+"\n")
		}
		if !missing {
			return
		}
	}
	t.Fatalf("the service is not %v:\n%s", properties, shown)
}

// awaitLog waits until the service has logged something.
func (m machine) awaitLog(t *testing.T, text string) {
	t.Helper()
	var log string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if log = output(t, m.run("journalctl", "--unit", "backref.service")); strings.Contains(log, text) {
			return
		}
	}
	t.Fatalf("the service does not say %q:\n%s", text, log)
}

// wantConfined fails the test where the process has more than the unit says, or
// its files have another owner.
func (m machine) wantConfined(t *testing.T) {
	t.Helper()
	main := strings.TrimSpace(m.systemctl(t, "show", "backref.service", "--property=MainPID", "--value"))
	status := output(t, m.run("cat", "/proc/"+main+"/status"))
	for name, want := range map[string]string{
		"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		if found := regexp.MustCompile(`(?m)^` + name + `:\s+(\S+)$`).FindStringSubmatch(status); found == nil || found[1] != want {
			t.Errorf("%s of the process: %q, want %s", name, found, want)
		}
	}
	owner := output(t, m.run("stat", "--format=%U %a", "/proc/"+main, "/var/lib/backref", "/var/lib/backref/backref.db", "/etc/backref/credentials"))
	if !regexp.MustCompile(`^backref \d+\nbackref 700\nbackref 600\nroot 700\n$`).MatchString(owner) {
		t.Errorf("owners and modes: %q", owner)
	}
	if environ := output(t, m.run("cat", "/proc/"+main+"/environ")); strings.Contains(environ, machineToken) {
		t.Error("the token is in the environment")
	}
	// Where it may write is told by its mounts.
	mounts := output(t, m.run("cat", "/proc/"+main+"/mounts"))
	for _, readOnly := range []string{"/", "/usr", "/etc"} {
		if options := regexp.MustCompile(`(?m)^\S+ `+readOnly+` \S+ (\S+)`).FindAllStringSubmatch(mounts, -1); len(options) > 0 &&
			!strings.HasPrefix(options[len(options)-1][1], "ro") {
			t.Errorf("%s can be written to:\n%s", readOnly, mounts)
		}
	}
}

// run prepares a program in all the namespaces of the machine.
func (m machine) run(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--all", "--target", itoa(m.pid), "--", "/usr/bin/" + name}, args...)...)
}
