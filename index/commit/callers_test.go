package commit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
)

// TestManyCallers has callers come and go at random while changes fail and the
// queue is closed: a change has happened once if its caller was told so, and
// not at all if its caller was told anything but that the context had ended.
func TestManyCallers(t *testing.T) {
	const callers, each = 32, 200
	var made [callers * each]atomic.Int32
	q := commit.New(func(batch []int) (int, error) {
		if place := slices.IndexFunc(batch, func(change int) bool { return change%17 == 0 }); place >= 0 {
			return place, errOdd
		}
		for _, change := range batch {
			made[change].Add(1)
		}
		return commit.All, nil
	}, commit.Options[int]{Weigh: func(change int) int { return change % 5 }, MaxWeight: 40})
	outcomes := make([]error, callers*each)
	var begun atomic.Int32
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for change := caller * each; change < (caller+1)*each; change++ {
				if begun.Add(1) == callers*each/2 {
					group.Go(func() { _ = q.Close() })
				}
				outcomes[change] = oneOfMany(q, change)
			}
		})
	}
	group.Wait()
	for change, outcome := range outcomes {
		n := made[change].Load()
		switch {
		case outcome == nil && n != 1,
			errors.Is(outcome, errOdd) && (n != 0 || change%17 != 0),
			errors.Is(outcome, index.ErrClosed) && n != 0,
			n > 1:
			t.Fatalf("%d: made %d times, told %v", change, n, outcome)
		case outcome != nil && !errors.Is(outcome, errOdd) && !errors.Is(outcome, index.ErrClosed) && !errors.Is(outcome, context.DeadlineExceeded):
			t.Fatalf("%d: told %v", change, outcome)
		}
	}
}

func oneOfMany(q *commit.Queue[int], change int) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if change%3 == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
	}
	defer cancel()
	if change%7 == 0 {
		return q.CommitLater(ctx, change)
	}
	return q.Commit(ctx, change)
}

// TestNoAllocation checks that the queue takes no memory for a change, but for
// what the pools of a test with the race detector forget on purpose.
func TestNoAllocation(t *testing.T) {
	q := commit.New(func([]int) (int, error) { return commit.All, nil }, commit.Options[int]{})
	defer func() { _ = q.Close() }()
	got := testing.AllocsPerRun(1000, func() {
		if err := q.Commit(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("%.1f allocations a change", got)
	}
}

func BenchmarkCommit(b *testing.B) {
	q := commit.New(func([]int) (int, error) { return commit.All, nil }, commit.Options[int]{})
	defer func() { _ = q.Close() }()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := q.Commit(context.Background(), 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
