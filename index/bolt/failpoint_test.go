package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
)

// failJob is followed by an instant, and by how often it is reached before the
// process ends there.
const failJob = "fail "

// TestKilledAtEveryInstant kills a process that writes at each instant of a
// batch, early and late, and checks that everything it was told to be done is
// there when the index is opened again, and nothing by halves.
func TestKilledAtEveryInstant(t *testing.T) {
	for _, at := range bolt.Instants() {
		t.Run(at, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			told := newLedger()
			for _, times := range []int{1, 2, 3 + rand.IntN(200)} {
				told.follow(t, child(t, fmt.Sprint(failJob, at, " ", times), path), func() {})
				told.check(t, path)
			}
			t.Logf("%d manifests, %d swaps, nothing lost", len(told.manifests), told.swaps)
		})
	}
}

// endAt returns options of a store that ends the process when an instant is
// reached so many times.
func endAt(job string) bolt.Options {
	var end string
	var times int
	if _, err := fmt.Sscan(job, &end, &times); err != nil {
		panic(err)
	}
	return bolt.FailAt(bolt.Options{}, func(at string) error {
		if at == end {
			times--
		}
		if times > 0 {
			return nil
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return err
		}
		select {} // The signal may take a moment.
	})
}

var errFault = errors.New("a fault of the test")

// faults has a store fail once at an instant, when it is armed.
type faults struct{ next atomic.Pointer[fault] }

type fault struct {
	at     string
	happen func() error
}

func (f *faults) reach(at string) error {
	next := f.next.Load()
	if next == nil || next.at != at || !f.next.CompareAndSwap(next, nil) {
		return nil
	}
	return next.happen()
}

// TestAFaultAtEveryInstant has a batch fail at each instant, by an error and by
// a panic, and checks that its callers are told, what is listed then, whether
// the store goes on, and what is there when it is opened again: all of the batch
// or nothing of it.
func TestAFaultAtEveryInstant(t *testing.T) {
	fails := map[string]func() error{
		"error": func() error { return errFault },
		"panic": func() error { panic("page 7 makes no sense") },
	}
	for _, at := range bolt.Instants() {
		for how, happen := range fails {
			t.Run(at+" "+how, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "index.db")
				var faults faults
				store, err := bolt.Open(path, bolt.FailAt(bolt.Options{}, faults.reach))
				must(t, err)
				observe := func(what string) error {
					return store.Observe(t.Context(), 0, someRecord(what+" one", "subject"), someRecord(what+" two", "subject"))
				}
				must(t, observe("before"))
				faults.next.Store(&fault{at, happen})
				err = observe("fails")
				if err == nil || how == "error" && !errors.Is(err, errFault) || how == "panic" && !strings.Contains(err.Error(), "page 7") {
					t.Fatalf("told %v", err)
				}
				wanted := []string{"before one", "before two"}
				written := at == "written" || at == "committed"
				if written {
					wanted = append(wanted, "fails one", "fails two")
				}
				wantListed(t, store, wanted...)
				// Only a store of which nobody knows what the disk has stops.
				err = observe("after")
				if at == "written" {
					if err == nil {
						t.Error("it makes changes although it knows not what is on disk")
					}
				} else {
					must(t, err)
					wanted = append(wanted, "after one", "after two")
				}
				wantListed(t, store, wanted...)
				must(t, store.Close())
				checkTree(t, path)
				store = mustOpen(t, path)
				defer func() { must(t, store.Close()) }()
				wantListed(t, store, wanted...)
				must(t, store.Observe(t.Context(), 0, someRecord("at last", "subject")))
			})
		}
	}
}

// TestAFaultIsToldToItsBatch checks that what becomes of a transaction is told
// to all who share it, and to nobody else.
func TestAFaultIsToldToItsBatch(t *testing.T) {
	const callers = 8
	var store *bolt.Store
	told := make(chan error, callers)
	begun := 0
	fail := func(at string) error {
		switch {
		case at == "begin":
			if begun++; begun > 1 {
				return nil
			}
			for i := range callers {
				go func() { told <- store.Observe(context.Background(), 0, someRecord(fmt.Sprint(i), "subject")) }()
			}
			for bolt.Waiting(store) < callers {
				runtime.Gosched()
			}
		case at == "saved" && begun == 2:
			return errFault
		}
		return nil
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.FailAt(bolt.Options{}, fail))
	must(t, err)
	defer func() { must(t, store.Close()) }()
	must(t, store.Observe(t.Context(), 0, someRecord("first", "subject")))
	for range callers {
		if err := <-told; !errors.Is(err, errFault) {
			t.Errorf("told %v", err)
		}
	}
	wantListed(t, store, "first")
	must(t, store.Observe(t.Context(), 0, someRecord("last", "subject")))
	wantListed(t, store, "first", "last")
}

// wantListed checks which referrers of the subject are listed, and that each has
// its record, as both belong to one change.
func wantListed(t *testing.T, store *bolt.Store, want ...string) {
	t.Helper()
	page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
	must(t, err)
	listed := make(map[digest.Digest]bool)
	for _, referrer := range page.Referrers {
		listed[referrer.Digest] = true
		_, err := store.Get(t.Context(), repo, referrer.Digest)
		must(t, err)
	}
	for _, what := range want {
		if !listed[digest.FromString(what)] {
			t.Errorf("%s is not listed", what)
		}
	}
	if len(listed) != len(want) {
		t.Errorf("%d are listed, want %d", len(listed), len(want))
	}
}
