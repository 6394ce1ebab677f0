package bolt

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// vanishing returns memory that faults when it is read: a mapping of a file
// that has become shorter, as a damaged index would be.
func vanishing(t *testing.T) []byte {
	file, err := os.Create(filepath.Join(t.TempDir(), "mapped"))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = file.Close() }()
	size := os.Getpagesize()
	if err := file.Truncate(int64(size)); err != nil {
		t.Error(err)
		return nil
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := file.Truncate(0); err != nil {
		t.Error(err)
	}
	return memory[:100]
}
