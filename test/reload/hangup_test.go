package reload

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/backref/backref/test/rig"
)

// A server that hasn't begun to serve isn't ended by a hang-up: here it waits for
// its configuration to be written to a pipe, as it may wait for a migration.
func TestAHangUpWhileItStarts(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "backref.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rig.Binary(t), "serve", "--config", pipe, "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0",
		"--admin-listen", "127.0.0.1:0", "--index", filepath.Join(dir, "backref.db"), "--set", "log.delay=0")
	var log lines
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// It opens when somebody reads.
	to, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, err := to.WriteString("log: {level: debug}\n"); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it serves, and reads again what it was told to before", log.all, func() bool {
		return said(log.all(), `"message":"serving"`) == 1 && said(log.all(), "that of before stays", "no regular file") == 1
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, strings.Join(log.all(), "\n"))
	}
}

// lines is what a program has written. It may be written and read at once.
type lines struct {
	mutex sync.Mutex
	text  strings.Builder
}

// Write implements [io.Writer].
func (l *lines) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

func (l *lines) all() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Split(l.text.String(), "\n")
}

// Who hangs up a terminal ends what runs there.
func TestAHangUpEndsOtherCommands(t *testing.T) {
	arrived := make(chan struct{}, 1)
	registry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	t.Cleanup(registry.Close)
	host := strings.TrimPrefix(registry.URL, "http://")
	// Below nohup a program is started with the signal ignored, unless it is handled
	// here.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	cmd := rig.CommandLine(t, t.TempDir(), "copy", host+"/app:v1", "oci:"+filepath.Join(t.TempDir(), "layout")+":v1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("it ended with %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGHUP {
		t.Errorf("it ended with %v", exit)
	}
}
