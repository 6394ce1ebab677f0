package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// While the disk is full one change in a while tries, and the others fail by
// what that one found, without a transaction.
func TestChangesRestWhileTheDiskIsFull(t *testing.T) {
	store, err := Open(filepath.Join(t.TempDir(), "index.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	tries := 0
	try := func() error {
		return store.change(t.Context(), func(*writing) error { tries++; return nil })
	}
	store.full.tried(fmt.Errorf("file resize error: %s", syscall.ENOSPC)) //nolint:errorlint // As bbolt gives it.
	store.full.until = time.Now().Add(time.Hour)
	for range 100 {
		if err := try(); err == nil {
			t.Fatal("a change was made while changes rest")
		}
	}
	if tries != 0 {
		t.Errorf("%d changes were tried", tries)
	}
	store.full.until = time.Time{}
	if err := try(); err != nil || tries != 1 {
		t.Errorf("after the rest: %d tries, %v", tries, err)
	}
}

// The rest grows while there is no room, within bounds, and ends with the first
// change that finds some.
func TestTheRestOfAFullDisk(t *testing.T) {
	var f fullDisk
	f.tried(errors.New("another error"))
	if f.found != nil {
		t.Error("rests for another error")
	}
	for range 20 {
		f.tried(syscall.ENOSPC)
	}
	if f.rest != maxFullRest || !errors.Is(f.rests(), syscall.ENOSPC) {
		t.Errorf("rests for %s: %v", f.rest, f.rests())
	}
	f.tried(nil)
	if f.rests() != nil || f.rest != 0 {
		t.Errorf("rests although there was room: %+v", f)
	}
}
