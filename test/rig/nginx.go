package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Nginx is an nginx that ends TLS before something else.
type Nginx struct {
	// URL is where it listens; Host is the same without the scheme.
	URL, Host string
	*process
}

// NewNginx starts one with a certificate, its key, and the content of its
// server block, which may have more lines than what nginx has by default.
func NewNginx(t testing.TB, certFile, keyFile, block string) *Nginx {
	t.Helper()
	host, dir := FreeAddress(t), t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr notice;
events {}
http {
  %[6]s
  server {
    listen %[2]s ssl;
    ssl_certificate %[3]s;
    ssl_certificate_key %[4]s;
    client_max_body_size 0;
    %[5]s
  }
}
`, dir, host, certFile, keyFile, block, nginxPlaces(dir))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &Nginx{URL: "https://" + host, Host: host}
	// It listens when it tells its limits.
	n.process, _ = start(t, "nginx", regexp.MustCompile(`(getrlimit)`), exec.Command(Tool(t, "nginx"), "-p", dir, "-e", "stderr", "-c", file))
	return n
}

// nginxPlaces returns what keeps all that an nginx writes to a folder.
func nginxPlaces(dir string) string {
	places := "access_log off;"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		places += fmt.Sprintf(" %s_temp_path %s;", kind, filepath.Join(dir, kind))
	}
	return places
}
