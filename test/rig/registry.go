package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Distribution is a version of CNCF Distribution.
type Distribution string

// The versions that tests run against. Neither has a referrers API.
const (
	Distribution2 Distribution = "registry2" // 2.8, of Debian
	Distribution3 Distribution = "registry3" // 3.1
)

// Each runs a test against every version.
func Each(t *testing.T, test func(t *testing.T, version Distribution)) {
	t.Helper()
	for _, version := range []Distribution{Distribution2, Distribution3} {
		t.Run(string(version), func(t *testing.T) { test(t, version) })
	}
}

// Registry is a registry that runs.
type Registry struct {
	// URL is where it listens; Host is the same without the scheme.
	URL, Host string
	// Storage is the folder of its content.
	Storage string
	*process
	t       testing.TB
	version Distribution
	extra   string
	// keeps says that it allows no deletes.
	keeps bool
	// config is the path of its configuration file.
	config string
}

// NewRegistry starts an empty registry that allows deletes. extra is added to
// its configuration file.
func NewRegistry(t testing.TB, version Distribution, extra ...string) *Registry {
	t.Helper()
	r := &Registry{t: t, version: version, Storage: t.TempDir()}
	for _, e := range extra {
		r.extra += e
	}
	r.start("127.0.0.1:0")
	return r
}

// NewKeepingRegistry is [NewRegistry] with one that deletes nothing.
func NewKeepingRegistry(t testing.TB, version Distribution) *Registry {
	t.Helper()
	r := &Registry{t: t, version: version, Storage: t.TempDir(), keeps: true}
	r.start("127.0.0.1:0")
	return r
}

func (r *Registry) start(address string) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "config.yml")
	r.config = file
	config := fmt.Sprintf("version: 0.1\nlog: {level: info}\nstorage:\n  filesystem: {rootdirectory: %q}\n  delete: {enabled: %t}\nhttp: {addr: %s, secret: x}\n%s",
		r.Storage, !r.keeps, address, r.extra)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(Tool(r.t, string(r.version)), "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	r.process, r.Host = start(r.t, string(r.version), regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`), cmd)
	r.URL = "http://" + r.Host
}

// Kill ends the registry with SIGKILL.
func (r *Registry) Kill() {
	r.kill()
}

// Restart starts the registry again on its address, with its content.
func (r *Registry) Restart() {
	r.t.Helper()
	r.kill()
	r.start(r.Host)
}

// RestartWith starts the registry again with more in its configuration file.
func (r *Registry) RestartWith(extra string) {
	r.t.Helper()
	r.extra += extra
	r.Restart()
}

// CollectGarbage stops the registry, runs its own garbage collection, which
// drops every manifest that no tag holds, and starts it again.
func (r *Registry) CollectGarbage() {
	r.t.Helper()
	r.kill()
	cmd := exec.Command(Tool(r.t, string(r.version)), "garbage-collect", "--delete-untagged", r.config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if output, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("garbage-collect: %v\n%s", err, output)
	}
	r.start(r.Host)
}
