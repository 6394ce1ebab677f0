package indextest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// reach is for what is begun while a tag is locked.
const reach = time.Second

// tagLocks tests a store that locks tags; others are not asked to.
func tagLocks(t *testing.T, open func(t *testing.T) index.Store) {
	store := open(t)
	_, able := store.(index.TagLocker)
	must(t, store.Close())
	if able {
		run(t, open, tagLockStories())
	}
}

func locker(t *testing.T, store index.Store) index.TagLocker {
	t.Helper()
	locker, able := store.(index.TagLocker)
	if !able {
		t.Fatal("the store locks no tags")
	}
	return locker
}

func tagLockStories() []story {
	return []story{
		{"one has a tag", oneHasATag},
		{"other tags are free", otherTagsAreFree},
		{"released, it is lost", releasedIsLost},
		{"it is held beyond the context of the wait", heldBeyondTheWait},
		{"whoever gives up has no turn", noTurnForWhoGivesUp},
		{"what is no tag", whatIsNoTag},
	}
}

func oneHasATag(t *testing.T, store index.Store) {
	tags := locker(t, store)
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			held, release, err := tags.LockTag(t.Context(), repo, "v1", reach)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if now := inside.Add(1); now > most.Load() {
				most.Store(now)
			}
			// What a tag is locked for takes questions to the store.
			_, err = store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
			inside.Add(-1)
			if err != nil {
				t.Error(err)
			}
			if held.Err() != nil {
				t.Error("the tag was lost")
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d had the tag at once", most.Load())
	}
}

func otherTagsAreFree(t *testing.T, store index.Store) {
	tags := locker(t, store)
	for _, name := range [][2]string{{repo, "v1"}, {repo, "v2"}, {"other", "v1"}} {
		_, release, err := tags.LockTag(t.Context(), name[0], name[1], reach)
		must(t, err)
		defer release()
	}
}

func releasedIsLost(t *testing.T, store index.Store) {
	tags := locker(t, store)
	held, release, err := tags.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	release()
	release()
	if held.Err() == nil {
		t.Error("it is held still")
	}
}

func heldBeyondTheWait(t *testing.T, store index.Store) {
	tags := locker(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	held, release, err := tags.LockTag(ctx, repo, "v1", reach)
	must(t, err)
	cancel()
	other, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, _, err := tags.LockTag(other, repo, "v1", reach); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
	if held.Err() != nil {
		t.Error("it is lost")
	}
	release()
	_, again, err := tags.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	again()
}

func noTurnForWhoGivesUp(t *testing.T, store index.Store) {
	tags := locker(t, store)
	_, release, err := tags.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := tags.LockTag(ctx, repo, "v1", reach); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
	release()
	_, again, err := tags.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	again()
}

func whatIsNoTag(t *testing.T, store index.Store) {
	tags := locker(t, store)
	for _, name := range [][2]string{{"", "v1"}, {repo, ""}, {repo, "v\x001"}} {
		if _, _, err := tags.LockTag(t.Context(), name[0], name[1], reach); !errors.Is(err, index.ErrInvalid) {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}
