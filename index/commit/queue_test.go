package commit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
)

// TestChangesShareABatch checks that what comes while the medium is busy is
// attempted at once, in the order in which it came.
func TestChangesShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		q := newQueue(t, m, commit.Options[int]{})
		first, second, third := q.begin(1), q.begin(2), q.begin(3)
		if n := q.Waiting(); n != 2 {
			t.Errorf("%d changes wait, want 2", n)
		}
		m.turn <- struct{}{}
		first.want(t, nil)
		second.wantWaits(t)
		m.turn <- struct{}{}
		second.want(t, nil)
		third.want(t, nil)
		q.close()
		m.want(t, []int{1}, []int{2, 3})
	})
}

// TestAFailedChangeIsTakenOut checks that a change that can't be made fails
// alone, by its own error, and that the others are attempted again and happen.
func TestAFailedChangeIsTakenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		m.outcome = func(batch []int) (int, error) {
			place := slices.IndexFunc(batch, func(change int) bool { return change%2 == 1 })
			if place < 0 {
				return commit.All, nil
			}
			return place, fmt.Errorf("%d is %w", batch[place], errOdd)
		}
		q := newQueue(t, m, commit.Options[int]{})
		told := []outcome{q.begin(0), q.begin(1), q.begin(2), q.begin(3), q.begin(4)}
		close(m.turn)
		for change, told := range told {
			switch err := <-told; {
			case change%2 == 0 && err != nil:
				t.Errorf("%d: told %v", change, err)
			case change%2 == 1 && (!errors.Is(err, errOdd) || !strings.HasPrefix(err.Error(), fmt.Sprint(change))):
				t.Errorf("%d: told %v", change, err)
			}
		}
		q.close()
		m.want(t, []int{0}, []int{1, 2, 3, 4}, []int{2, 3, 4}, []int{2, 4})
	})
}

// TestAFailureWithoutAReason checks that a medium that names a change as failed
// and gives no error does not have its caller believe that it was made.
func TestAFailureWithoutAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{outcome: func([]int) (int, error) { return 0, nil }}
		q := newQueue(t, m, commit.Options[int]{})
		if err := q.Commit(t.Context(), 1); err == nil {
			t.Error("a failed change counts as made")
		}
		q.close()
	})
}

// TestAFailedBatch checks that the failure of a transaction as a whole is told
// to all whose changes were in it, and to nobody else.
func TestAFailedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		m.outcome = func(batch []int) (int, error) {
			if len(batch) > 1 {
				return commit.All, errOdd
			}
			return commit.All, nil
		}
		q := newQueue(t, m, commit.Options[int]{})
		first, second, third := q.begin(1), q.begin(2), q.begin(3)
		close(m.turn)
		first.want(t, nil)
		second.want(t, errOdd)
		third.want(t, errOdd)
		q.begin(4).want(t, nil)
		q.close()
		m.want(t, []int{1}, []int{2, 3}, []int{4})
	})
}

// TestAPanicFailsItsBatch checks that an attempt that panics is told to those
// whose changes were in it, with the place, and that others are attempted still.
func TestAPanicFailsItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{}
		m.outcome = func(batch []int) (int, error) {
			switch batch[0] {
			case 1:
				panic("page 7 makes no sense")
			case 2:
				var none *medium
				return len(none.batches), nil
			default:
				return commit.All, nil
			}
		}
		q := newQueue(t, m, commit.Options[int]{})
		for change, what := range map[int]string{1: "page 7 makes no sense", 2: "nil pointer"} {
			err := q.Commit(t.Context(), change)
			if !errors.Is(err, commit.ErrPanic) {
				t.Fatalf("told %v", err)
			}
			for _, part := range []string{what, "TestAPanicFailsItsBatch"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		}
		q.begin(3).want(t, nil)
		q.close()
	})
}

// TestBatchesAreBounded checks that a batch has no more than so many changes,
// and that the others make the next.
func TestBatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		q := newQueue(t, m, commit.Options[int]{})
		told := []outcome{q.begin(0)}
		for range commit.BatchSize + 1 {
			told = append(told, q.begin(1))
		}
		close(m.turn)
		for _, told := range told {
			told.want(t, nil)
		}
		q.close()
		m.want(t, []int{0}, slices.Repeat([]int{1}, commit.BatchSize), []int{1})
	})
}

// TestWeight checks that a batch is no heavier than it may be, that what is
// heavier by itself is attempted alone, and that the order stays.
func TestWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		weigh := func(change int) int { return change }
		q := newQueue(t, m, commit.Options[int]{Weigh: weigh, MaxWeight: 10})
		var told []outcome
		for _, change := range []int{0, 4, 6, 1, 25, 0, 10, 0} {
			told = append(told, q.begin(change))
		}
		close(m.turn)
		for _, told := range told {
			told.want(t, nil)
		}
		q.close()
		m.want(t, []int{0}, []int{4, 6}, []int{1}, []int{25}, []int{0, 10, 0})
	})
}

// TestPatience checks that a change in no hurry waits for one that is, and no
// longer than Patience.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{}
		q := newQueue(t, m, commit.Options[int]{})
		begun := time.Now()
		first, second := q.beginLater(1), q.beginLater(2)
		time.Sleep(commit.Patience / 2)
		first.wantWaits(t)
		q.begin(3).want(t, nil)
		first.want(t, nil)
		second.want(t, nil)
		if waited := time.Since(begun); waited != commit.Patience/2 {
			t.Errorf("waited %s for what came after %s", waited, commit.Patience/2)
		}
		begun = time.Now()
		q.beginLater(4).want(t, nil)
		if waited := time.Since(begun); waited != commit.Patience {
			t.Errorf("waited %s with nobody else there", waited)
		}
		begun = time.Now()
		q.begin(5).want(t, nil)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("a change in a hurry waited %s", waited)
		}
		q.close()
		m.want(t, []int{1, 2, 3}, []int{4}, []int{5})
	})
}

// TestPatienceEndsWithTheQueue checks that nobody is waited for who can't come.
func TestPatienceEndsWithTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{}
		q := newQueue(t, m, commit.Options[int]{})
		begun := time.Now()
		told := q.beginLater(1)
		q.close()
		told.want(t, nil)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

// TestAContextThatEnded checks that a change whose caller has gone is not
// attempted, neither when it comes nor when it has waited, nor again.
func TestAContextThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		m.outcome = func(batch []int) (int, error) {
			if place := slices.Index(batch, 2); place >= 0 {
				return place, errOdd
			}
			return commit.All, nil
		}
		q := newQueue(t, m, commit.Options[int]{})
		leaving, leave := context.WithCancel(t.Context())
		first, gone := q.begin(1), q.call(leaving, 9, q.Commit)
		second, third, leaves := q.begin(2), q.begin(3), q.call(ctx, 8, q.Commit)
		leave()
		gone.want(t, context.Canceled)
		m.turn <- struct{}{}
		first.want(t, nil)
		synctest.Wait()
		cancel()
		leaves.want(t, context.Canceled)
		close(m.turn)
		second.want(t, errOdd)
		third.want(t, nil)
		if err := q.Commit(ctx, 7); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that had ended: told %v", err)
		}
		q.close()
		m.want(t, []int{1}, []int{2, 3, 8}, []int{3})
	})
}

// TestAFullQueue checks that callers wait to get in, no longer than their
// contexts.
func TestAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		q := newQueue(t, m, commit.Options[int]{})
		told := []outcome{q.begin(0)}
		for range commit.QueueSize {
			told = append(told, q.begin(1))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		late, patient := q.call(ctx, 9, q.Commit), q.begin(2)
		late.wantWaits(t)
		if n := q.Waiting(); n != commit.QueueSize {
			t.Errorf("%d changes wait, want %d", n, commit.QueueSize)
		}
		late.want(t, context.DeadlineExceeded)
		close(m.turn)
		for _, told := range append(told, patient) {
			told.want(t, nil)
		}
		q.close()
	})
}

// TestClose checks that the calls under way end with their outcome, and that
// later ones, and a second Close, fail.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &medium{turn: make(chan struct{})}
		q := newQueue(t, m, commit.Options[int]{})
		first, second, third := q.begin(1), q.begin(2), q.beginLater(3)
		closed := make(outcome, 1)
		go func() { closed <- q.Close() }()
		synctest.Wait()
		closed.wantWaits(t)
		q.begin(4).want(t, index.ErrClosed)
		if err := q.Close(); !errors.Is(err, index.ErrClosed) {
			t.Errorf("a second close: %v", err)
		}
		select {
		case <-q.Done():
			t.Error("it is done while changes wait")
		default:
		}
		close(m.turn)
		first.want(t, nil)
		second.want(t, nil)
		third.want(t, nil)
		closed.want(t, nil)
		<-q.Done()
		m.want(t, []int{1}, []int{2, 3})
	})
}
