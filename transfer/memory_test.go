package transfer

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMemoryHasThingsDoneOnce(t *testing.T) {
	m := newMemory[int](10)
	var done atomic.Int32
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			value, _, err := m.do(t.Context(), "a", func() (int, error) {
				// The first two fail, so that another takes over.
				if n := done.Add(1); n < 3 {
					return 0, errors.New("not yet")
				}
				return 7, nil
			})
			if err == nil && value != 7 {
				t.Errorf("got %d", value)
			}
		})
	}
	group.Wait()
	if done.Load() != 3 {
		t.Errorf("done %d times", done.Load())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory[int](10)
	for i := range 1000 {
		if !m.note(strconv.Itoa(i), i) {
			t.Errorf("%d was known", i)
		}
	}
	if len(m.claims) != 10 || len(m.order) != 10 {
		t.Errorf("%d remembered, in an order of %d", len(m.claims), len(m.order))
	}
	if _, found := m.known("989"); found {
		t.Error("the oldest is not forgotten")
	}
	if value, found := m.known("999"); !found || value != 999 {
		t.Errorf("the newest: %d, %v", value, found)
	}
}

func TestMemoryWaitsNoLongerThanItMay(t *testing.T) {
	m := newMemory[int](10)
	m.claim("a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.do(ctx, "a", func() (int, error) { return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
