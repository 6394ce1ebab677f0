package rig

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Older builds the backref of an earlier commit and returns the path of the
// program; "" where the checkout does not reach back so far.
func Older(t testing.TB, commit string) string {
	t.Helper()
	root, dir := Root(t), t.TempDir()
	archive := filepath.Join(dir, "older.tar")
	if err := exec.CommandContext(t.Context(), "git", "-C", root, "archive", "--output", archive, commit).Run(); err != nil {
		return ""
	}
	program := filepath.Join(dir, "backref")
	unpack := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", dir, "--one-top-level=source")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./cmd/backref")
	build.Dir = filepath.Join(dir, "source")
	for _, cmd := range []*exec.Cmd{unpack, build} {
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the backref of %s: %v\n%s", commit, err, output)
		}
	}
	return program
}
