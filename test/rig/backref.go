package rig

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Backref is a backref that runs: the real program.
type Backref struct {
	// URL is where registry clients reach it, AdminURL where operators do;
	// Host is URL without the scheme.
	URL, Host, AdminURL string
	// Index is the file of its index, empty where that is in a database.
	Index string
	*process
	t        testing.TB
	upstream string
	args     []string
	// program is another than the one under test.
	program string
}

// NewBackref starts backref in front of a registry; more arguments of serve
// may follow.
func NewBackref(t testing.TB, upstream string, args ...string) *Backref {
	t.Helper()
	b := &Backref{t: t, upstream: upstream, args: args, Index: filepath.Join(t.TempDir(), "backref.db")}
	b.start("127.0.0.1:0")
	return b
}

// NewReplica starts a backref that shares its index with others, in a database.
func NewReplica(t testing.TB, upstream string, database *Postgres, args ...string) *Backref {
	t.Helper()
	return NewReplicaAt(t, upstream, database.URL, args...)
}

// NewReplicaAt is [NewReplica] with a database that is named by a URL.
func NewReplicaAt(t testing.TB, upstream, database string, args ...string) *Backref {
	t.Helper()
	b := &Backref{t: t, upstream: upstream, args: append([]string{"--set", "index.postgres.url=" + database}, args...)}
	b.start("127.0.0.1:0")
	return b
}

// NewOlderReplica is [NewReplica] with a program that [Older] built.
func NewOlderReplica(t testing.TB, program, upstream string, database *Postgres, args ...string) *Backref {
	t.Helper()
	b := &Backref{t: t, program: program, upstream: upstream, args: append([]string{"--set", "index.postgres.url=" + database.URL}, args...)}
	b.start("127.0.0.1:0")
	return b
}

// Binary returns the path of the backref under test.
func Binary(t testing.TB) string {
	t.Helper()
	binary := os.Getenv(binaryVariable)
	if binary == "" {
		t.Fatal("no backref was built: TestMain has to call rig.Main")
	}
	return binary
}

func (b *Backref) start(listen string) {
	b.t.Helper()
	args := []string{"serve", "--upstream", b.upstream, "--listen", listen, "--admin-listen", "127.0.0.1:0"}
	if b.Index != "" {
		args = append(args, "--index", b.Index)
	}
	program := b.program
	if program == "" {
		program = Binary(b.t)
	}
	var line string
	b.process, line = start(b.t, "backref", regexp.MustCompile(`^(\{.*"message":"serving".*\})$`), exec.Command(program, append(args, b.args...)...))
	var serving struct{ Listen, AdminListen string }
	if err := json.Unmarshal([]byte(line), &serving); err != nil {
		b.t.Fatalf("read log of backref: %v: %s", err, line)
	}
	b.Host, b.URL, b.AdminURL = serving.Listen, "http://"+serving.Listen, "http://"+serving.AdminListen
	b.t.Cleanup(b.mustBeRaceFree)
}

// mustBeRaceFree fails the test where the race detector found something.
func (b *Backref) mustBeRaceFree() {
	if strings.Contains(strings.Join(b.lines(), "\n"), "WARNING: DATA RACE") {
		b.t.Errorf("backref has a data race:\n%s", b.tail())
	}
}

// Kill ends backref with SIGKILL.
func (b *Backref) Kill() {
	b.kill()
}

// Stop ends backref with SIGTERM, which has to go well.
func (b *Backref) Stop() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Errorf("backref ended badly: %v\n%s", err, b.tail())
	}
}

// Terminate sends SIGTERM and returns at once; Wait waits for the end.
func (b *Backref) Terminate() (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- b.stop() }()
	return func() error { return <-ended }
}

// Restart starts backref again on its address, with its index, and with more
// arguments where some are given.
func (b *Backref) Restart(args ...string) {
	b.t.Helper()
	b.kill()
	b.args = append(b.args, args...)
	b.start(b.Host)
}

// PID returns the process id of the backref that was started last.
func (b *Backref) PID() int {
	return b.cmd.Process.Pid
}

// Log returns the lines that backref has logged since it was started last.
func (b *Backref) Log() []string {
	return b.lines()
}

// Try runs a command of backref that works on the index, with the flags that
// name the upstream, the index and the admin listener of b.
func (b *Backref) Try(t testing.TB, args ...string) Command {
	t.Helper()
	return b.TryInput(t, "", args...)
}

// TryInput is [Backref.Try] with standard input.
func (b *Backref) TryInput(t testing.TB, input string, args ...string) Command {
	t.Helper()
	args = append(args, "--set", "upstream.url="+b.upstream, "--admin-listen", strings.TrimPrefix(b.AdminURL, "http://"))
	if b.Index != "" {
		args = append(args, "--index", b.Index)
	}
	cmd := exec.CommandContext(t.Context(), Binary(t), append(args, b.args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	return Command{stdout.String(), stderr.String(), err}
}

// Run is [Backref.Try] for commands that have to succeed; it returns their
// standard output.
func (b *Backref) Run(t testing.TB, args ...string) string {
	t.Helper()
	c := b.Try(t, args...)
	if c.Err != nil {
		t.Fatalf("backref %s: %v\n%s%s", strings.Join(args, " "), c.Err, c.Stdout, c.Stderr)
	}
	return c.Stdout
}

// CommandLine returns a command of backref that speaks to registries, to be
// started: with an empty home, so that no credentials are found.
func CommandLine(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Binary(t), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "DOCKER_CONFIG="+dir)
	return cmd
}

// TryCommandLine runs such a command and returns what came of it.
func TryCommandLine(t testing.TB, dir string, args ...string) Command {
	t.Helper()
	cmd := CommandLine(t, dir, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return Command{stdout.String(), stderr.String(), err}
}

// RunCommandLine is [TryCommandLine] for commands that have to succeed; it
// returns their standard output.
func RunCommandLine(t testing.TB, dir string, args ...string) string {
	t.Helper()
	c := TryCommandLine(t, dir, args...)
	if c.Err != nil {
		t.Fatalf("backref %s: %v\n%s%s", strings.Join(args, " "), c.Err, c.Stdout, c.Stderr)
	}
	return c.Stdout
}
