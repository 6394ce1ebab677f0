package rig

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// PgBouncer is a pooler in front of a database.
type PgBouncer struct {
	// URL names the database through the pooler, as libpq reads it.
	URL string
	*process
}

// NewPgBouncer starts one with a pool mode: session, transaction or statement.
// It has few connections to the database, so that those of its clients share
// them; more lines of its section pgbouncer may follow.
func NewPgBouncer(t testing.TB, database *Postgres, mode string, more ...string) *PgBouncer {
	t.Helper()
	behind, err := url.Parse(database.URL)
	if err != nil {
		t.Fatal(err)
	}
	address := FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 40
max_client_conn = 500
log_connections = 0
log_disconnections = 0
%s
`, behind.Hostname(), behind.Port(), port, mode, strings.Join(more, "\n"))
	config = strings.Replace(config, "* = ", "* = user="+behind.User.Username()+" ", 1)
	// It refuses to run as root, and who it runs as instead has to read this.
	file, err := readableFile(t, "pgbouncer.ini", config)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := postgresOwner()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Tool(t, "pgbouncer"), file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	through := *behind
	through.Host = address
	p := &PgBouncer{URL: through.String()}
	p.process, _ = start(t, "pgbouncer", regexp.MustCompile(`(process up)`), cmd)
	return p
}

// readableFile writes a file that any user can read: the folders of tests are
// for their own user alone.
func readableFile(t testing.TB, name, content string) (string, error) {
	dir, err := os.MkdirTemp("", "rig")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(content), 0o644)
}
