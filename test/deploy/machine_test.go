package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

func itoa(n int) string { return strconv.Itoa(n) }

// newMachine boots a systemd that has backref installed as the documentation
// says, in front of a registry, with an admin token, and not started.
func newMachine(t *testing.T, upstream string) machine {
	t.Helper()
	m := machine{root: openDir(t)}
	m.install(t, upstream)
	name := "backref-test-" + itoa(os.Getpid())
	nspawn := exec.Command("/bin/sh", append([]string{"-c", `for folder do
  [ "$folder" != -- ] || break
  echo $$ >"$folder/cgroup.procs"
  shift
done
shift
exec "$@"`, "sh"}, append(cgroups(t, name), "--", rig.Tool(t, "systemd-nspawn"), "--quiet", "--machine="+name,
		"--directory="+m.root, "--bind-ro=/usr", "--bind-ro="+filepath.Join(m.root, "local")+":/usr/local",
		"--register=no", "--keep-unit", "--console=pipe", "--private-network", "--boot", "--", "--unit=machine.target")...)...)
	var said strings.Builder
	nspawn.Stdout, nspawn.Stderr = &said, &said
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = nspawn.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		if m.pid != 0 {
			// The first process of a machine takes all others along.
			_ = syscall.Kill(m.pid, syscall.SIGKILL)
		} else {
			_ = nspawn.Process.Kill()
		}
		<-ended
		_ = os.Remove("/run/systemd/nspawn/propagate/" + name)
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if m.pid == 0 {
			m.pid = firstChild(nspawn.Process.Pid)
		}
		if m.pid != 0 {
			if state, err := m.try("is-active", "machine.target"); err == nil && strings.TrimSpace(state) == "active" {
				return m
			}
		}
		select {
		case <-ended:
			m.pid = 0
			t.Fatalf("systemd ended at once:\n%s", said.String())
		default:
		}
		if time.Now().After(deadline) {
			state, err := m.try("list-jobs")
			t.Fatalf("systemd is not ready: %v: %s\n%s", err, state, said.String())
		}
	}
}

// firstChild returns the process that nspawn has started as the first one of the
// machine; 0 where there is none yet.
func firstChild(pid int) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for child := range strings.FieldsSeq(string(children)) {
		name, err := os.ReadFile("/proc/" + child + "/comm")
		if err == nil && strings.TrimSpace(string(name)) == "systemd" {
			first, _ := strconv.Atoi(child)
			return first
		}
	}
	return 0
}

// install lays out the machine: systemd and what it needs, and backref.
func (m machine) install(t *testing.T, upstream string) {
	t.Helper()
	for _, folder := range []string{"usr", "etc/systemd/system", "etc/sysusers.d", "etc/tmpfiles.d", "etc/backref/credentials",
		"var", "run", "tmp", "proc", "sys", "dev", "root", "local/bin"} {
		if err := os.MkdirAll(filepath.Join(m.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+folder, filepath.Join(m.root, folder)); err != nil {
			t.Fatal(err)
		}
	}
	const unit = "deploy/systemd/"
	for path, content := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
		"etc/machine-id": "", "etc/systemd/system/machine.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\n",
		"etc/systemd/system/backref.service":  inTree(t, unit, "backref.service"),
		"etc/sysusers.d/backref.conf":         inTree(t, unit, "sysusers.d/backref.conf"),
		"etc/tmpfiles.d/backref.conf":         inTree(t, unit, "tmpfiles.d/backref.conf"),
		"etc/backref/backref.yaml":            replace(t, inTree(t, unit, "backref.yaml"), "http://127.0.0.1:5000", upstream),
		"etc/backref/credentials/admin-token": machineToken + "\n",
	} {
		writeFile(t, filepath.Join(m.root, path), content)
	}
	m.dropIn(t, "admin-token")
	for _, path := range []string{"etc/ld.so.cache", "etc/os-release"} {
		content, err := os.ReadFile("/" + path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(m.root, path), string(content))
	}
	// Not the one with the race detector, which needs what the unit forbids.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w",
		"-o", filepath.Join(m.root, "local/bin/backref"), "./cmd/backref")
	build.Dir, build.Env = rig.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	output(t, build)
}

// cgroups makes groups of processes for a machine, and returns their folders.
func cgroups(t *testing.T, name string) []string {
	t.Helper()
	var made []string
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(hierarchy, "cgroup.procs")); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		folder := filepath.Join(hierarchy, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { removeGroups(t, folder) })
		made = append(made, folder)
	}
	return made
}

// removeGroups removes a group and those within, which have no process left.
func removeGroups(t *testing.T, folder string) {
	var groups []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	for i := len(groups) - 1; i >= 0; i-- {
		if err := os.Remove(groups[i]); err != nil {
			t.Logf("remove the group of processes: %v", err)
		}
	}
}
