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
	"time"
)

// Balancer is an nginx that shares requests out among backrefs. Reads that one
// of them does not answer go to the next; a push or delete is tried once.
type Balancer struct {
	// URL is where it listens.
	URL string
	*process
	t               testing.TB
	dir, file, host string
	// reads and writes are the servers that get these.
	reads, writes []string
}

// NewBalancer starts one in front of servers, given by their URLs.
func NewBalancer(t testing.TB, servers ...string) *Balancer {
	t.Helper()
	b := &Balancer{t: t, dir: t.TempDir(), host: FreeAddress(t)}
	b.URL, b.file = "http://"+b.host, filepath.Join(b.dir, "nginx.conf")
	b.reads, b.writes = servers, servers
	b.configure()
	b.process, _ = start(t, "nginx", regexp.MustCompile(`(start worker process) `), exec.Command(Tool(t, "nginx"), "-p", b.dir, "-e", "stderr", "-c", b.file))
	// Killed, its first process would leave the others.
	t.Cleanup(func() { _ = b.stop() })
	return b
}

// Turn has it send what comes from now on to other servers, and returns when
// all that was sent before is answered.
func (b *Balancer) Turn(servers ...string) {
	b.t.Helper()
	b.reads, b.writes = servers, servers
	b.turn()
}

// TurnReads is [Balancer.Turn] for GET and HEAD alone.
func (b *Balancer) TurnReads(servers ...string) {
	b.t.Helper()
	b.reads = servers
	b.turn()
}

// TurnWrites is [Balancer.Turn] for all but GET and HEAD.
func (b *Balancer) TurnWrites(servers ...string) {
	b.t.Helper()
	b.writes = servers
	b.turn()
}

func (b *Balancer) turn() {
	b.t.Helper()
	b.configure()
	ended := b.ended()
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		b.t.Fatalf("turn nginx: %v", err)
	}
	for begun := time.Now(); b.ended() == ended; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > startTimeout {
			b.t.Fatalf("nginx does not turn:\n%s", b.tail())
		}
	}
}

// ended counts the processes that have answered all that they were sent.
func (b *Balancer) ended() int {
	return strings.Count(strings.Join(b.lines(), "\n"), "exited with code")
}

// pool is a block of servers, each left out for a second once it has failed.
func (b *Balancer) pool(name string, servers []string) string {
	b.t.Helper()
	var block strings.Builder
	for _, server := range servers {
		at, err := url.Parse(server)
		if err != nil {
			b.t.Fatal(err)
		}
		fmt.Fprintf(&block, "server %s max_fails=1 fail_timeout=1s; ", at.Host)
	}
	return fmt.Sprintf("upstream %s { %s keepalive 64; }", name, block.String())
}

func (b *Balancer) configure() {
	b.t.Helper()
	config := fmt.Sprintf(`daemon off;
user root root;
worker_processes 1;
pid %[1]s/pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  %[5]s
  %[3]s
  %[4]s
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_request_buffering off;
  client_max_body_size 0;
  server {
    listen %[2]s;
    location / {
      error_page 418 = @writes;
      if ($request_method !~ ^(GET|HEAD)$) { return 418; }
      proxy_pass http://reads;
    }
    location @writes {
      proxy_next_upstream off;
      proxy_pass http://writes;
    }
  }
}
`, b.dir, b.host, b.pool("reads", b.reads), b.pool("writes", b.writes), nginxPlaces(b.dir))
	if err := os.WriteFile(b.file, []byte(config), 0o600); err != nil {
		b.t.Fatal(err)
	}
}
