package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// program returns a command that runs backref.
func program(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"backref"}, args...)
	cmd.Env = append(os.Environ(), environ...)
	return cmd
}

// openTerminal returns the two ends of a terminal of that many columns.
func openTerminal(t *testing.T, columns uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// printed returns what backref prints on a terminal of 80 columns.
func printed(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	ours, theirs := openTerminal(t, 80)
	cmd := program(t, environ, args...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = theirs, &stderr
	text := make(chan string)
	go func() {
		var all bytes.Buffer
		// The read fails when nobody has the other end open any more.
		_, _ = all.ReadFrom(ours)
		text <- all.String()
	}()
	err := cmd.Run()
	_ = theirs.Close()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return strings.ReplaceAll(<-text, "\r\n", "\n")
}

// Tables and trees fit into a terminal, and are coloured there unless NO_COLOR is
// set.
func TestOnATerminal(t *testing.T) {
	host := tagRegistry(t)
	plain := []string{"DOCKER_CONFIG=" + t.TempDir(), "NO_COLOR=1", "TERM=xterm"}
	for _, args := range [][]string{{"tags", host + "/app"}, {"tree", host + "/app:v1.0.0"}} {
		text := printed(t, plain, args...)
		if strings.Contains(text, "\x1b") || !strings.Contains(text, "…") {
			t.Errorf("%q: %q", args, text)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 80 {
				t.Errorf("%q: a line of %d columns: %q", args, n, line)
			}
		}
	}
	if text := printed(t, plain, "tags", "--no-trunc", host+"/app"); strings.Contains(text, "…") || !strings.Contains(text, "nobody.needs") {
		t.Errorf("--no-trunc: %q", text)
	}
	colours := []string{plain[0], "NO_COLOR=", "TERM=xterm"}
	if text := printed(t, colours, "tags", host+"/app"); !strings.HasPrefix(text, "\x1b[1mTAG") {
		t.Errorf("coloured: %q", text)
	}
}

// A command that is interrupted ends with the code that shells have for that.
func TestInterrupted(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		cmd := program(t, []string{"DOCKER_CONFIG=" + t.TempDir()}, "copy", listener.Addr().String()+"/app:v1", "oci:"+t.TempDir()+"/layout")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		asked, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		_ = asked.Close()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(stderr.String(), "run the same command again to go on") {
			t.Errorf("%s: %v: %s", c.signal, err, stderr.String())
		}
	}
}
