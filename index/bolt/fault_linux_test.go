package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backref/backref/index/bolt"
)

// TestTheSystemFails has the system fail in the midst of commits, and checks
// that their callers are told, that nothing of them is listed, and that the
// store goes on when the system does.
func TestTheSystemFails(t *testing.T) {
	for name, how := range map[string]struct {
		device string
		flag   int
		want   error
	}{
		"no room":         {"/dev/full", os.O_RDWR, syscall.ENOSPC},
		"no sync":         {"/dev/null", os.O_RDWR, syscall.EINVAL},
		"no right":        {"", os.O_RDONLY, syscall.EBADF},
		"not even a file": {"/dev", os.O_RDONLY, syscall.EBADF},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			store := mustOpen(t, path)
			wanted := []string{"before"}
			// Pages are free after it, so that the file need not grow.
			for i := range 60 {
				must(t, store.Observe(t.Context(), 0, someRecord(fmt.Sprint(i), "other")))
			}
			must(t, store.Observe(t.Context(), 0, someRecord("before", "subject")))
			device := how.device
			if device == "" {
				device = path
			}
			restore := replaceFile(t, path, device, how.flag)
			for range 3 {
				err := store.Observe(t.Context(), 0, someRecord("fails", "subject"))
				// bbolt gives some errors as text alone.
				if err == nil || !errors.Is(err, how.want) && !strings.Contains(err.Error(), how.want.Error()) {
					t.Errorf("told %v, want %v", err, how.want)
				}
				wantListed(t, store, wanted...)
				if err := store.CheckWrites(t.Context()); err == nil {
					t.Error("it is said to take changes")
				}
			}
			restore()
			checkSoon(t, store)
			observeSoon(t, store, "after")
			wanted = append(wanted, "after")
			wantListed(t, store, wanted...)
			must(t, store.Close())
			checkTree(t, path)
			store = mustOpen(t, path)
			defer func() { must(t, store.Close()) }()
			wantListed(t, store, wanted...)
		})
	}
}

// observeSoon records a manifest as soon as changes rest no longer.
func observeSoon(t *testing.T, store *bolt.Store, what string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = store.Observe(t.Context(), 0, someRecord(what, "subject")); !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	must(t, err)
}

// checkSoon waits until the store is said to take changes, without making any.
func checkSoon(t *testing.T, store *bolt.Store) {
	t.Helper()
	err := store.CheckWrites(t.Context())
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		err = store.CheckWrites(t.Context())
	}
	must(t, err)
}

// A store that has nothing to change writes all the same when it is asked whether
// it can: the system's failure shows without a push.
func TestTheSystemFailsUnnoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store := mustOpen(t, path)
	defer func() { must(t, store.Close()) }()
	must(t, store.Observe(t.Context(), 0, someRecord("before", "subject")))
	must(t, store.CheckWrites(t.Context()))
	restore := replaceFile(t, path, path, os.O_RDONLY)
	if err := store.CheckWrites(t.Context()); !errors.Is(err, syscall.EBADF) {
		t.Errorf("a file that can't be written to: %v", err)
	}
	restore()
	checkSoon(t, store)
	wantListed(t, store, "before")
}

// replaceFile has what this process does to an open file done to another,
// until it is restored.
func replaceFile(t *testing.T, path, by string, flag int) (restore func()) {
	t.Helper()
	descriptor := descriptorOf(t, path)
	kept, err := syscall.Dup(descriptor)
	must(t, err)
	other, err := os.OpenFile(by, flag, 0)
	must(t, err)
	defer func() { must(t, other.Close()) }()
	must(t, syscall.Dup3(int(other.Fd()), descriptor, syscall.O_CLOEXEC))
	return func() {
		must(t, syscall.Dup3(kept, descriptor, syscall.O_CLOEXEC))
		must(t, syscall.Close(kept))
	}
}

func descriptorOf(t *testing.T, path string) int {
	t.Helper()
	const open = "/proc/self/fd"
	entries, err := os.ReadDir(open)
	must(t, err)
	for _, entry := range entries {
		if name, err := os.Readlink(filepath.Join(open, entry.Name())); err == nil && name == path {
			descriptor, err := strconv.Atoi(entry.Name())
			must(t, err)
			return descriptor
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}
