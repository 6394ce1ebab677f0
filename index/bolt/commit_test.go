package bolt

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
)

func openTemporary(t *testing.T) *Store {
	t.Helper()
	store, err := Open(filepath.Join(t.TempDir(), "index.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// held keeps the writer busy until it is let go.
func held(t *testing.T, store *Store) (release func()) {
	t.Helper()
	busy, let := make(chan struct{}), make(chan struct{})
	go func() {
		_ = store.change(context.Background(), func(*writing) error {
			close(busy)
			<-let
			return nil
		})
	}()
	<-busy
	return func() { close(let) }
}

// waitFor waits until so many changes are in the queue.
func waitFor(t *testing.T, store *Store, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); store.queue.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d changes wait, want %d", store.queue.Waiting(), n)
		}
	}
}

// TestFailureIsAlone checks that a change that fails, or even panics, does not
// fail those that share its transaction, and leaves nothing behind.
func TestFailureIsAlone(t *testing.T) {
	store := openTemporary(t)
	defer func() { _ = store.Close() }()
	release := held(t, store)
	write := func(key string) func(*writing) error {
		return func(w *writing) error { return w.put(w.changes, []byte(key), []byte("x")) }
	}
	errOdd := errors.New("odd")
	changes := map[string]struct {
		apply func(*writing) error
		want  error
	}{
		"one":   {write("one"), nil},
		"fails": {func(w *writing) error { return errors.Join(write("fails")(w), errOdd) }, errOdd},
		"two":   {write("two"), nil},
		"panics": {func(w *writing) error {
			_ = write("panics")(w)
			panic("page 7 makes no sense")
		}, index.ErrDamaged},
		"three": {write("three"), nil},
	}
	got := make(map[string]chan error)
	for name, change := range changes {
		outcome := make(chan error, 1)
		got[name] = outcome
		go func() { outcome <- store.change(context.Background(), change.apply) }()
	}
	waitFor(t, store, len(changes))
	release()
	for name, change := range changes {
		if err := <-got[name]; !errors.Is(err, change.want) {
			t.Errorf("%s: got error %v, want %v", name, err, change.want)
		}
	}
	err := store.change(t.Context(), func(w *writing) error {
		for name, change := range changes {
			if kept := w.changes.Get([]byte(name)) != nil; kept != (change.want == nil) {
				t.Errorf("%s is kept: %t", name, kept)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWaitingEnds checks that nobody waits longer than their context, in front
// of the queue or in it, and that what nobody waits for does not happen.
func TestWaitingEnds(t *testing.T) {
	store := openTemporary(t)
	release := held(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	happened := 0
	count := func(*writing) error { happened++; return nil }
	outcomes := make(chan error)
	const over = 3
	for range commit.QueueSize + over {
		go func() { outcomes <- store.change(ctx, count) }()
	}
	waitFor(t, store, commit.QueueSize)
	cancel()
	for range commit.QueueSize + over {
		if err := <-outcomes; !errors.Is(err, context.Canceled) {
			t.Fatalf("got error %v", err)
		}
	}
	release()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if happened > 0 {
		t.Fatalf("%d changes happened that nobody waited for", happened)
	}
}

// TestBroken checks that a store whose commit panicked makes no more changes,
// but can be read and closed.
func TestBroken(t *testing.T) {
	store := openTemporary(t)
	record := samples()[1]
	if err := store.Observe(t.Context(), 0, record); err != nil {
		t.Fatal(err)
	}
	release := held(t, store)
	outcome := make(chan error, 1)
	go func() {
		outcome <- store.change(context.Background(), func(w *writing) error {
			w.dirty = true
			// bbolt copies the value when it commits, and finds it gone.
			return w.changes.Put([]byte("key"), vanishing(t))
		})
	}()
	waitFor(t, store, 1)
	release()
	if err := <-outcome; !errors.Is(err, index.ErrDamaged) {
		t.Fatalf("got error %v", err)
	}
	if _, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentDelete, Record: record}); !errors.Is(err, index.ErrDamaged) {
		t.Fatalf("a change after it: got error %v", err)
	}
	if err := store.CheckWrites(t.Context()); !errors.Is(err, index.ErrDamaged) {
		t.Fatalf("asked whether it takes changes: %v", err)
	}
	if _, err := store.Get(t.Context(), record.Repository, record.Digest); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil && !strings.Contains(err.Error(), "damaged") {
		t.Fatal(err)
	}
}
