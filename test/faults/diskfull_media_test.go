package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backref/backref/test/rig"
)

// medium is a way to have backref's index run out of room.
type medium struct {
	name string
	// command is what runs backref there: $@ is the program with its
	// arguments, and DIR a folder. It has to keep the process.
	command string
	// fill takes the room, free gives it back.
	fill, free func(t *testing.T)
	// lasts says that the index is still there for the next process.
	lasts bool

	dir string
}

// media returns the ways that this machine permits; the first needs nothing.
func media(t *testing.T) []*medium {
	t.Helper()
	all := []*medium{fileSizeLimit()}
	if disk := smallDisk(); exec.Command("sh", "-c", disk.wrapped(t.TempDir()), "sh", "true").Run() == nil {
		all = append(all, disk)
	} else {
		t.Log("mounting is not permitted here: a limit on the size of files stands for the full disk alone")
	}
	return all
}

// fileSizeLimit lets no file of the process grow. The signal that comes with
// the error is blocked: it would end the process first.
func fileSizeLimit() *medium {
	m := &medium{name: "file size limit", command: `exec env --block-signal=XFSZ "$@"`, lasts: true}
	limit := func(t *testing.T, size string) {
		t.Helper()
		rig.Run(t, m.dir, "prlimit", "--pid", m.pid(t), "--fsize="+size+":")
	}
	m.fill = func(t *testing.T) {
		t.Helper()
		info, err := os.Stat(filepath.Join(m.dir, "backref.db"))
		if err != nil {
			t.Fatal(err)
		}
		limit(t, fmt.Sprint(info.Size()))
	}
	m.free = func(t *testing.T) {
		t.Helper()
		limit(t, "unlimited")
	}
	return m
}

// smallDisk is a file system in memory that only the process sees, so that
// nothing stays mounted. A file takes the room.
func smallDisk() *medium {
	m := &medium{
		name: "tmpfs",
		command: `exec unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size=32m backref "$0" && exec "$@"' ` +
			`DIR "$@"`,
	}
	filler := func(t *testing.T) string {
		t.Helper()
		return filepath.Join("/proc", m.pid(t), "root", m.dir, "filler")
	}
	m.fill = func(t *testing.T) {
		t.Helper()
		if err := os.WriteFile(filler(t), make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
	}
	m.free = func(t *testing.T) {
		t.Helper()
		if err := os.Remove(filler(t)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// place has the next backref run on the medium and returns its arguments.
func (m *medium) place(t *testing.T) []string {
	t.Helper()
	m.dir = t.TempDir()
	script := filepath.Join(t.TempDir(), "backref")
	text := fmt.Sprintf("#!/bin/sh\nset -- %s \"$@\"\necho $$ >%s\n%s\n", rig.Binary(t), m.pidFile(), m.wrapped(m.dir))
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RIG_BACKREF", script)
	return []string{"--index", filepath.Join(m.dir, "backref.db")}
}

func (m *medium) wrapped(dir string) string {
	return strings.ReplaceAll(m.command, "DIR", dir)
}

func (m *medium) pidFile() string { return m.dir + ".pid" }

// pid returns the identifier of the process that runs there.
func (m *medium) pid(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(m.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
