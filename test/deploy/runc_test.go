package deploy

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// container is a pod's container that runc runs, with a network of its own.
type container struct {
	*rig.Program
	name string
	pid  int
	// ports are URLs on loopback that lead to the container's ports.
	ports map[string]string
}

// servesAsThePod runs the image as the chart's pod says: its user, its read-only
// root, its seccomp profile, its limits, its arguments, its configuration and
// its volumes. A push and a query go through it, also after a restart.
func servesAsThePod(t *testing.T, settings imageSettings, root string) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	// Within the pod's network the registry is at the address of a relay.
	const upstream = "127.0.0.1:5000"
	rendered := renderPod(t, "config.upstream.url=http://"+upstream, "config.upstream.service.anonymous=true", "config.log.level=debug")
	bundle := rendered.bundle(t, settings, root)
	running := runContainer(t, "first", bundle, rendered, upstream, registry.Host)
	running.wantHardened(t, rendered)
	for _, probe := range []*podProbe{rendered.container().StartupProbe, rendered.container().LivenessProbe, rendered.container().ReadinessProbe} {
		if probe == nil {
			t.Fatal("the pod lacks a probe")
		}
		rig.Do(t, http.MethodGet, running.ports[probe.HTTPGet.Port]+probe.HTTPGet.Path, nil).Want(t, http.StatusOK)
	}
	base := running.ports["registry"]
	subject, referrer := pushSigned(t, base, "app")
	wantReferrer(t, base, "app", subject, referrer)
	running.Stop()

	again := runContainer(t, "second", bundle, rendered, upstream, registry.Host)
	wantReferrer(t, again.ports["registry"], "app", subject, referrer)
	again.Stop()
}

// runContainer starts a bundle, and relays between its network and this one.
func runContainer(t *testing.T, name, bundle string, pod pod, upstream, registry string) *container {
	t.Helper()
	state, pidFile := t.TempDir(), filepath.Join(t.TempDir(), "pid")
	runc := rig.Tool(t, "runc")
	c := &container{name: "backref-test-" + strconv.Itoa(os.Getpid()) + "-" + name, ports: map[string]string{}}
	cmd := exec.Command(runc, "--root", state, "run", "--bundle", bundle, "--pid-file", pidFile, c.name)
	c.Program = rig.NewProgram(t, "runc", regexp.MustCompile(`^(\{.*"message":"serving".*\})$`), cmd)
	// runc's own end is not its container's.
	t.Cleanup(func() {
		if output, err := exec.Command(runc, "--root", state, "delete", "--force", c.name).CombinedOutput(); err != nil &&
			!strings.Contains(string(output), "does not exist") {
			t.Errorf("delete the container: %v: %s", err, output)
		}
	})
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if c.pid, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
		t.Fatal(err)
	}
	relayOut(t, c.pid, upstream, registry)
	for _, port := range pod.container().Ports {
		c.ports[port.Name] = "http://" + relayIn(t, c.pid, "127.0.0.1:"+strconv.Itoa(port.ContainerPort))
	}
	return c
}

// wantHardened fails the test where the process has more than the pod allows.
func (c *container) wantHardened(t *testing.T, pod pod) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532", "NoNewPrivs": "1",
		// A filter of system calls.
		"Seccomp": "2",
		"CapEff":  "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		found := regexp.MustCompile(`(?m)^` + name + `:\s+(.*)$`).FindStringSubmatch(string(content))
		if found == nil || strings.Join(strings.Fields(found[1]), " ") != want {
			t.Errorf("%s of the process: %q, want %s", name, found, want)
		}
	}
	mounts, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.pid), "mounts"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\S+ / \S+ ro[, ]`).Match(mounts) {
		t.Errorf("the root can be written to:\n%s", mounts)
	}
	if pod.container().Resources.Limits.Memory == "" {
		t.Error("the pod has no limit of memory")
	}
}

// writeJSON writes the configuration of a bundle.
func writeJSON(t *testing.T, path string, value any) {
	t.Helper()
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(content))
}
