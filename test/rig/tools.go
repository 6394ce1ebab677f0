package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaryVariable names the environment variable that holds the path of the
// backref under test: one that was built for several packages, or else by [Main].
const binaryVariable = "RIG_BACKREF"

// Main builds backref with the race detector, unless one is named, and runs a
// package's tests. It is to be called by TestMain and does not return.
func Main(m *testing.M) {
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	if os.Getenv(binaryVariable) != "" {
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "rig")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "backref")
	build := exec.Command("go", "build", "-race", "-buildvcs=false", "-o", binary, "github.com/backref/backref/cmd/backref")
	if output, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build backref: %w\n%s", err, output)
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Root returns the folder of the checkout.
func Root(t testing.TB) string {
	t.Helper()
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func checkout() (string, error) {
	output, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(output))), nil
}

// Tool returns the path of a program that test/tools installs, or of one of
// the system.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), ".tools", "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run test/tools test", name)
	}
	return path
}

// Command is a program that has ended.
type Command struct {
	Stdout, Stderr string
	Err            error
}

// Try runs a tool in a folder of its own, with an empty home, and returns
// what came of it.
func Try(t testing.TB, dir, name string, args ...string) Command {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Tool(t, name), args...)
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "DOCKER_CONFIG="+dir)
	err := cmd.Run()
	return Command{stdout.String(), stderr.String(), err}
}

// Run runs a tool that has to succeed and returns what it wrote to standard
// output.
func Run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	c := Try(t, dir, name, args...)
	if c.Err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), c.Err, c.Stdout, c.Stderr)
	}
	return c.Stdout
}
