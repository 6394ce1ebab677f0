package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A service manager is told when requests are served, when the configuration is
// read again and has been, and when all ends and how long it may take.
func TestTheServiceManagerIsTold(t *testing.T) {
	for name, socket := range map[string]string{
		"path": filepath.Join(t.TempDir(), "notify"), "abstract": "@backref-test-" + filepath.Base(t.TempDir()) + t.Name(),
	} {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = manager.Close() }()
			hear := func() string {
				t.Helper()
				if err := manager.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
					t.Fatal(err)
				}
				message := make([]byte, 1000)
				n, err := manager.Read(message)
				if err != nil {
					t.Fatal(err)
				}
				return string(message[:n])
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var logs bytes.Buffer
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, []string{"serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin-listen", "",
					"--index", filepath.Join(t.TempDir(), "index.db"), "--set", "server.drainTimeout=70s"},
					[]string{"NOTIFY_SOCKET=" + socket}, &logs, &logs)
			}()
			if got := hear(); got != "READY=1" {
				t.Errorf("told %q", got)
			}
			// The run above has set this up for the whole process.
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			if got := hear(); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`).MatchString(got) {
				t.Errorf("told %q", got)
			}
			if got := hear(); got != "READY=1" {
				t.Errorf("told %q", got)
			}
			stop()
			if got := hear(); got != "STOPPING=1\nEXTEND_TIMEOUT_USEC=85000000" {
				t.Errorf("told %q", got)
			}
			if got := <-code; got != 0 {
				t.Errorf("exit code %d: %s", got, logs.String())
			}
		})
	}
}

// A service manager that can't be reached is a line of the log.
func TestTheServiceManagerIsGone(t *testing.T) {
	cfg := configFor(t, "http://127.0.0.1:9")
	var logs bytes.Buffer
	s, err := newServer(t.Context(), cfg, &logs)
	if err != nil {
		t.Fatal(err)
	}
	s.manager = serviceManager{filepath.Join(t.TempDir(), "none")}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
	if got := strings.Count(logs.String(), "tell the service manager: dial unixgram"); got != 2 {
		t.Errorf("%d lines: %s", got, logs.String())
	}
}
