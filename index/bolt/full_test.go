package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
)

// TestDiskFull lets a process run out of space and get some again. The limit
// of a process for the size of its files stands for a full disk, as it needs no
// privileges.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	output, err := child(t, "fill", path).Output()
	must(t, err)
	var before, after int
	if _, err := fmt.Sscan(string(output), &before, &after); err != nil {
		t.Fatalf("%q: %v", output, err)
	}
	store := mustOpen(t, path)
	defer func() { must(t, store.Close()) }()
	for i := range before + after {
		_, err := store.Get(t.Context(), repo, digest.FromString(fmt.Sprint(i)))
		must(t, err)
	}
	t.Logf("%d pushes before the disk was full, %d after", before, after)
}

// fillDisk pushes until there is no space, checks that the store can be read
// and refuses changes whole, and goes on when there is space again.
func fillDisk(ctx context.Context, path string) error {
	// The signal would end the process before it sees the error.
	signal.Ignore(syscall.SIGXFSZ)
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	// The first change sets megabytes aside, which must not be what fails.
	if err := pushNumber(ctx, store, 0); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	space := limit.Cur
	limit.Cur = 256 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	n := 1
	for err = pushNumber(ctx, store, n); err == nil; err = pushNumber(ctx, store, n) {
		n++
	}
	if !tooBig(err) {
		return fmt.Errorf("after %d pushes: %w", n, err)
	}
	if err := checkFull(ctx, store, n); err != nil {
		return err
	}
	// A check finds none either, whether or not changes rest.
	for begun := time.Now(); time.Since(begun) < 500*time.Millisecond; {
		if err := store.CheckWrites(ctx); !tooBig(err) {
			return fmt.Errorf("a check of a full disk: %w", err)
		}
	}
	limit.Cur = space
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := pushSoon(ctx, store, n); err != nil {
		return err
	}
	for i := range 500 {
		if err := pushNumber(ctx, store, n+i); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
	}
	_, err = fmt.Fprintln(os.Stdout, n, 500)
	return errors.Join(err, store.Close())
}

// tooBig recognizes the limit by its text, because bbolt does not wrap it.
func tooBig(err error) bool {
	return err != nil && strings.Contains(err.Error(), syscall.EFBIG.Error())
}

// pushSoon pushes as soon as changes rest no longer.
func pushSoon(ctx context.Context, store *bolt.Store, n int) error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if err = pushNumber(ctx, store, n); !tooBig(err) {
			return err
		}
	}
	return fmt.Errorf("changes still rest: %w", err)
}

func pushNumber(ctx context.Context, store *bolt.Store, n int) error {
	intent := index.Intent{Kind: index.IntentPush, Record: someRecord(fmt.Sprint(n), "subject"), Deadline: time.Now().Add(time.Hour)}
	id, err := store.Begin(ctx, intent)
	if err != nil {
		return err
	}
	return store.Confirm(ctx, id, time.Now())
}

// checkFull checks a store that holds n records and has no space for another.
func checkFull(ctx context.Context, store *bolt.Store, n int) error {
	for range 3 {
		records := make([]index.Record, 2000)
		for i := range records {
			records[i] = someRecord(fmt.Sprint("large", i), "subject")
		}
		if err := store.Observe(ctx, 0, records...); !tooBig(err) {
			return fmt.Errorf("a change that does not fit: %w", err)
		}
		page, err := store.Referrers(ctx, repo, digest.FromString("subject"), index.Query{})
		if err != nil {
			return err
		}
		if len(page.Referrers) != n {
			return fmt.Errorf("%d are listed, want %d", len(page.Referrers), n)
		}
	}
	return nil
}
