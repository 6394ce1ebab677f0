package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/backref/backref/index/bolt"
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
		if err := useMemory(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if err := runChild(context.Background(), job, os.Getenv(childPath)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The file system in memory of a Linux machine, and the space that it must have.
const (
	memory      = "/dev/shm"
	memorySpace = 512 << 20
)

// useMemory lets the tests keep their files in memory, where there is such a
// file system and TMPDIR names no other: they kill processes, not machines, and
// to wait for a disk some ten thousand times shows nothing more.
func useMemory() error {
	var system syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memory, &system) != nil {
		return nil
	}
	if system.Bavail*uint64(system.Bsize) < memorySpace {
		return nil
	}
	return os.Setenv("TMPDIR", memory)
}

func runChild(ctx context.Context, job, path string) error {
	if at, fails := strings.CutPrefix(job, failJob); fails {
		return writeUntilKilled(ctx, path, endAt(at))
	}
	switch job {
	case "write":
		return writeUntilKilled(ctx, path, bolt.Options{})
	case "fill":
		return fillDisk(ctx, path)
	case "migrate":
		return migrateUntilKilled(ctx, path)
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
