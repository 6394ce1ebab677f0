package deploy

import (
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// composed is a Compose file as the library of Compose itself reads it, with the
// files beside it.
type composed struct {
	dir      string
	Services map[string]composeService
	Networks map[string]struct{ Internal bool }
	Secrets  map[string]struct{ File string }
	Configs  map[string]struct{ File string }
}

type composeService struct {
	Image       string
	Build       *struct{ Context, Dockerfile string }
	Command     []string
	Entrypoint  []string
	Environment map[string]string
	Restart     string
	ReadOnly    bool     `json:"read_only"`
	CapDrop     []string `json:"cap_drop"`
	CapAdd      []string `json:"cap_add"`
	Privileged  bool
	SecurityOpt []string                              `json:"security_opt"`
	MemLimit    string                                `json:"mem_limit"`
	StopGrace   string                                `json:"stop_grace_period"`
	DependsOn   map[string]struct{ Condition string } `json:"depends_on"`
	Networks    map[string]any
	Ports       []struct {
		HostIP    string `json:"host_ip"`
		Published string
	}
	Volumes     []struct{ Type, Source, Target string }
	Configs     []struct{ Source, Target string }
	Secrets     []struct{ Source, Target string }
	Healthcheck struct{ Test []string }
}

// readCompose reads a Compose file, which has to be valid, of a folder below
// deploy/compose. Its secrets have to be there, as for Compose.
func readCompose(t *testing.T, name string) composed {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(rig.Root(t), "deploy", "compose", name))); err != nil {
		t.Fatal(err)
	}
	c := composed{dir: dir}
	if err := json.Unmarshal([]byte(rig.Run(t, dir, "compose-go", "-format", "json", "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every service of the Compose files is pinned, hardened and looked after, keeps
// its data on volumes that are named, and is seen by whom it has to be.
func TestComposeFiles(t *testing.T) {
	for _, name := range []string{"bbolt", "postgres"} {
		t.Run(name, func(t *testing.T) {
			c := readCompose(t, name)
			for name, service := range c.Services {
				wantHardenedService(t, name, service)
				wantPrivateService(t, c, name, service)
			}
			for name, file := range c.Configs {
				if _, err := os.Stat(file.File); err != nil {
					t.Errorf("configuration %s: %v", name, err)
				}
			}
			for name, secret := range c.Secrets {
				if secret.File != filepath.Join(c.dir, "secrets", name) {
					t.Errorf("secret %s is in %s", name, secret.File)
				}
			}
		})
	}
}

func wantHardenedService(t *testing.T, name string, s composeService) {
	t.Helper()
	if s.Restart != "unless-stopped" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || s.Privileged ||
		!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.MemLimit == "" || s.StopGrace == "" {
		t.Errorf("%s isn't hardened: %+v", name, s)
	}
	if len(s.Healthcheck.Test) < 2 || s.Healthcheck.Test[0] != "CMD" {
		t.Errorf("%s is checked by %q", name, s.Healthcheck.Test)
	}
	for other, on := range s.DependsOn {
		if on.Condition != "service_healthy" {
			t.Errorf("%s starts after %s is %s", name, other, on.Condition)
		}
	}
	switch {
	case s.Build != nil:
		if s.Build.Dockerfile != "Dockerfile" || s.Image != "localhost/backref:compose" {
			t.Errorf("%s is built by %+v as %s", name, *s.Build, s.Image)
		}
	case !regexp.MustCompile(`^docker\.io/[a-z/-]+:\d+\.\d+(\.\d+)?(-\w+)?$`).MatchString(s.Image):
		t.Errorf("%s has the image %s, whose version isn't pinned", name, s.Image)
	}
}

// wantPrivateService fails the test where others than this machine reach a
// service, or than those beside it reach what is not for clients.
func wantPrivateService(t *testing.T, c composed, name string, s composeService) {
	t.Helper()
	for _, port := range s.Ports {
		if ip, err := netip.ParseAddr(port.HostIP); err != nil || !ip.IsLoopback() || port.Published != "8080" {
			t.Errorf("%s is published at %s:%s", name, port.HostIP, port.Published)
		}
	}
	for network := range s.Networks {
		if len(s.Ports) == 0 && !c.Networks[network].Internal {
			t.Errorf("%s is in the network %s, which leads outside", name, network)
		}
	}
	for _, volume := range s.Volumes {
		if volume.Type != "volume" || volume.Source == "" {
			t.Errorf("%s keeps %s on %+v", name, volume.Target, volume)
		}
	}
	for variable := range s.Environment {
		if strings.Contains(variable, "PASSWORD") && !strings.HasSuffix(variable, "_FILE") {
			t.Errorf("%s has a secret in %s", name, variable)
		}
	}
}

// file returns the content of a configuration of a service, by where the
// service finds it.
func (c composed) file(t *testing.T, service, target string) string {
	t.Helper()
	for _, config := range c.Services[service].Configs {
		if config.Target == target {
			content, err := os.ReadFile(c.Configs[config.Source].File)
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
	}
	t.Fatalf("%s has no %s", service, target)
	return ""
}

// replace puts other addresses and paths into a file, each of which has to be
// there: what, by what, ….
func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q in:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// wantHealthy runs the health check of a service on this machine, with other
// words in its command and more variables.
func (c composed) wantHealthy(t *testing.T, service string, environ []string, pairs ...string) {
	t.Helper()
	command := slices.Clone(c.Services[service].Healthcheck.Test[1:])
	for i := range command {
		command[i] = strings.NewReplacer(pairs...).Replace(command[i])
	}
	var cmd *exec.Cmd
	switch command[0] {
	case "backref":
		cmd = exec.Command(rig.Binary(t), command[1:]...)
	case "wget":
		// The images have that of busybox.
		cmd = exec.Command(rig.Tool(t, "busybox"), command...)
	default:
		cmd = exec.Command(rig.Tool(t, command[0]), command[1:]...)
	}
	cmd.Env = append(os.Environ(), environ...)
	output(t, cmd)
}
