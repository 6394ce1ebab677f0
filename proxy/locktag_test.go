package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

// sharedStore is a store whose tags are locked by what a test says.
type sharedStore struct {
	*bolt.Store
	lock func(ctx context.Context, tag string) (context.Context, context.CancelFunc, error)
}

func (s sharedStore) LockTag(ctx context.Context, _, tag string, _ time.Duration) (context.Context, context.CancelFunc, error) {
	return s.lock(ctx, tag)
}

func newSharedFixture(t *testing.T, lock func(ctx context.Context, tag string) (context.Context, context.CancelFunc, error), configure ...func(*config.Config)) *fixture {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return newFixtureWith(t, sharedStore{store, lock}, configure...)
}

// Only what depends on the tag that it replaces asks the other replicas, and
// gives the tag back.
func TestOnlyConditionalPushesAskOtherReplicas(t *testing.T) {
	locked, released := 0, 0
	f := newSharedFixture(t, func(ctx context.Context, _ string) (context.Context, context.CancelFunc, error) {
		locked++
		return ctx, func() { released++ }, nil
	})
	manifest := image("new")
	for i, c := range []struct {
		reference string
		headers   []string
		status    int
		asks      bool
	}{
		{"v1", nil, 201, false},
		{"v1", []string{"If-Match", quoted(manifest)}, 201, true},
		{"v1", []string{"If-None-Match", "*"}, 412, true},
		{"v2", []string{"If-None-Match", "*"}, 201, true},
		{"v2", []string{"If-None-Match", "no list"}, 400, false},
	} {
		locked, released = 0, 0
		got := f.do(http.MethodPut, "/v2/a/manifests/"+c.reference, manifest, append(c.headers, "Content-Type", imageManifest)...)
		if got.status != c.status || (locked == 1) != c.asks || released < locked {
			t.Errorf("%d: status %d, locked %d times, released %d times: %s", i, got.status, locked, released, got.body)
		}
	}
}

// Where the tag can't be had, or was lost before the push was sent, the client
// is told to come again, and the registry gets nothing.
func TestAPushThatLosesItsTag(t *testing.T) {
	for want, lock := range map[string]func(ctx context.Context, tag string) (context.Context, context.CancelFunc, error){
		"through another replica": func(context.Context, string) (context.Context, context.CancelFunc, error) {
			return nil, nil, fmt.Errorf("lock: %w", index.ErrInUse)
		},
		"index can't be used just now": func(context.Context, string) (context.Context, context.CancelFunc, error) {
			return nil, nil, errors.New("the database is away")
		},
		"could not be kept": func(ctx context.Context, _ string) (context.Context, context.CancelFunc, error) {
			lost, lose := context.WithCancel(ctx)
			lose()
			return lost, lose, nil
		},
	} {
		f := newSharedFixture(t, lock)
		f.registry.put("a", image("old"), "v1")
		got := f.do(http.MethodPut, taggedPath, image("new"), "Content-Type", imageManifest, "If-Match", quoted(image("old")))
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, header %v", want, got.status, got.header)
		}
		if !strings.Contains(string(got.body), want) {
			t.Errorf("got %s, want %s", got.body, want)
		}
		if slices.Contains(f.registry.seen(), "PUT "+taggedPath) {
			t.Errorf("%s: the registry got the push", want)
		}
	}
}
