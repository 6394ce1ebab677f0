package bolt

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Bounds of the time that changes rest after the disk was found full.
const (
	minFullRest = 100 * time.Millisecond
	maxFullRest = 2 * time.Second
)

// fullDisk lets changes rest while there is no room for them. Undoing one that
// found none makes bbolt look for its free pages in the whole file, so that
// only one in a while may try; the others fail by what that one found. The
// writer alone uses it.
type fullDisk struct {
	// found is the error of the last try, nil where there was room.
	found error
	rest  time.Duration
	until time.Time
}

// rests returns the error of changes while they rest.
func (f *fullDisk) rests() error {
	if f.found == nil || !time.Now().Before(f.until) {
		return nil
	}
	return fmt.Errorf("changes of the index rest until there is room: %w", f.found)
}

// tried notes what came of a commit.
func (f *fullDisk) tried(err error) {
	if !noRoom(err) {
		*f = fullDisk{}
		return
	}
	f.found = err
	f.rest = min(max(2*f.rest, minFullRest), maxFullRest)
	f.until = time.Now().Add(f.rest)
}

// noRoom tells whether an error is one of a medium that is full, or that lets
// the process have no more of it. bbolt gives some of them as text alone.
func noRoom(err error) bool {
	if err == nil {
		return false
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}
