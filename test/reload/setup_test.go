package reload

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// patience is how long something is waited for that has to happen.
const patience = time.Minute

// place is a backref in auth.mode service whose configuration is files in a
// folder.
type place struct {
	*rig.Backref
	t   *testing.T
	dir string
	// config is the file of the configuration.
	config string
}

const annPassword, bobPassword = "ann-s3cret", "bob-s3cret"

// base is the configuration of a place before its rules.
const base = `
upstream: {service: {anonymous: true}}
auth:
  mode: service
  htpasswdFile: %s
`

const pullOnly, pullAndPush = `  rules: [{repositories: ["**"], users: ["*"], allow: [pull]}]
`, `  rules: [{repositories: ["**"], users: ["*"], allow: [pull, push]}]
`

// newPlace starts a backref that looks at its files often.
func newPlace(t *testing.T, more string, args ...string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	p.config = p.path("backref.yaml")
	p.users("ann", annPassword, "bob", bobPassword)
	p.configure(more)
	registry := rig.NewRegistry(t, rig.Distribution3)
	p.Backref = rig.NewBackref(t, registry.URL, append([]string{"--config", p.config, "--set", "reload.interval=20ms", "--set", "log.delay=0"}, args...)...)
	t.Cleanup(func() {
		for _, line := range p.Log() {
			if strings.Contains(line, "s3cret") || strings.Contains(line, "$2a$") {
				t.Errorf("the log shows a secret: %s", line)
			}
		}
	})
	return p
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// write puts a file in the place of the one that is there, as editors do.
func (p *place) write(name, content string) {
	p.t.Helper()
	next := p.path("." + name)
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(next, p.path(name)); err != nil {
		p.t.Fatal(err)
	}
}

// configure writes the configuration: the base, and more.
func (p *place) configure(more string) {
	p.t.Helper()
	p.write("backref.yaml", fmt.Sprintf(base, p.path("users"))+more)
}

// users writes those who may sign in, pairs of a name and a password.
func (p *place) users(pairs ...string) {
	p.t.Helper()
	p.write("users", p.userLines(pairs...))
}

func (p *place) userLines(pairs ...string) string {
	p.t.Helper()
	var lines strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost)
		if err != nil {
			p.t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s:%s\n", pairs[i], hash)
	}
	return lines.String()
}

func (p *place) hangUp() {
	p.t.Helper()
	if err := syscall.Kill(p.PID(), syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// as sends a request of a user, and returns the status of the answer.
func (p *place) as(name, password, method, path string, body []byte, headers ...string) int {
	p.t.Helper()
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return rig.Do(p.t, method, p.URL+path, body, append(headers, "Authorization", r.Header.Get("Authorization"))...).Status
}

// push begins an upload as ann, and returns the status of the answer.
func (p *place) push() int {
	p.t.Helper()
	return p.as("ann", annPassword, http.MethodPost, "/v2/app/blobs/uploads/", nil)
}

// metric returns the value of a metric, as it is written.
func (p *place) metric(name string) string {
	p.t.Helper()
	reply, err := rig.Send(p.t, http.MethodGet, p.AdminURL+"/metrics", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(reply.Body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// said returns how many lines of the log hold all the texts.
func (p *place) said(texts ...string) int { return said(p.Log(), texts...) }

func said(log []string, texts ...string) int {
	count := 0
lines:
	for _, line := range log {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		count++
	}
	return count
}

// eventually waits until something holds.
func (p *place) eventually(what string, holds func() bool) {
	p.t.Helper()
	eventually(p.t, what, p.Log, holds)
}

func eventually(t *testing.T, what string, log func() []string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s: not within %s\n%s", what, patience, strings.Join(log(), "\n"))
		}
	}
}

// The metrics of reloads.
const (
	successful = "backref_config_last_reload_successful"
	successes  = `backref_config_reloads_total{result="success"}`
	failures   = `backref_config_reloads_total{result="failure"}`
)
