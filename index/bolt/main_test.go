package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// The tests that need another process start this program again with the name
// of what it is to do, and the path of the index, in its environment.
const (
	childJob  = "BACKREF_TEST_CHILD"
	childPath = "BACKREF_TEST_INDEX"
)

func TestMain(m *testing.M) {
	job := os.Getenv(childJob)
	if job == "" {
		os.Exit(m.Run())
	}
	if err := runChild(context.Background(), job, os.Getenv(childPath)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(ctx context.Context, job, path string) error {
	switch job {
	case "write":
		return writeUntilKilled(ctx, path)
	case "fill":
		return fillDisk(ctx, path)
	default:
		return errors.New("unknown job " + job)
	}
}

// child prepares this program to run again.
func child(t *testing.T, job, path string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	command := exec.CommandContext(t.Context(), program)
	command.Env = append(os.Environ(), childJob+"="+job, childPath+"="+path)
	command.Stderr = os.Stderr
	return command
}
