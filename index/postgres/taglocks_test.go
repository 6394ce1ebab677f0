package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/opencontainers/go-digest"
)

// The tag of a process that is gone is free when what it began is over, and not
// before; whoever waits is told in time.
func TestTheTagOfTheDeadIsFreeInTheEnd(t *testing.T) {
	t.Parallel()
	options := newOptions()
	relay := newRelay(t, options.URL)
	dying := options
	dying.URL = relay.url
	options.Timeout = time.Second
	one, other := mustOpen(t, dying), mustOpen(t, options)
	defer func() { must(t, errors.Join(one.Close(), other.Close())) }()
	const reach = 5 * time.Second
	held, release, err := one.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	defer release()
	relay.cut()
	var ended time.Time
	for refused := 0; ; refused++ {
		if ended.IsZero() && held.Err() != nil {
			ended = time.Now()
		}
		_, releaseOther, err := other.LockTag(t.Context(), repo, "v1", reach)
		if err == nil {
			releaseOther()
			if ended.IsZero() || refused == 0 {
				t.Fatal("two have the tag")
			}
			break
		}
		if !errors.Is(err, index.ErrInUse) {
			t.Fatal(err)
		}
	}
	// The wait of a second may have seen the end of the context late.
	if since := time.Since(ended); since < reach-options.Timeout {
		t.Errorf("another one has the tag %s after it was lost", since)
	}
}

// Of many who wait through two processes none is passed over.
func TestTagsAreHandedOn(t *testing.T) {
	options := newOptions()
	options.Timeout = time.Minute
	one, other := mustOpen(t, options), mustOpen(t, options)
	defer func() { must(t, errors.Join(one.Close(), other.Close())) }()
	ctx, cancel := context.WithCancel(t.Context())
	// One process has the tag all the time, but for an instant now and then.
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				_, release, err := one.LockTag(ctx, repo, "v1", 0)
				if err != nil {
					return
				}
				_, err = one.Referrers(ctx, repo, digest.FromString("subject"), index.Query{})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				release()
			}
		})
	}
	for range 5 {
		_, release, err := other.LockTag(t.Context(), repo, "v1", 0)
		must(t, err)
		release()
	}
	cancel()
	group.Wait()
}
