package commit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/backref/backref/index/commit"
)

var errOdd = errors.New("odd")

// medium remembers the batches that it was given.
type medium struct {
	mutex   sync.Mutex
	batches [][]int
	// outcome is that of an attempt; nil finds all well.
	outcome func(batch []int) (failed int, err error)
	// turn lets an attempt go on; nil lets them all.
	turn chan struct{}
}

func (m *medium) attempt(batch []int) (failed int, err error) {
	m.mutex.Lock()
	m.batches = append(m.batches, slices.Clone(batch))
	m.mutex.Unlock()
	if m.turn != nil {
		<-m.turn
	}
	if m.outcome == nil {
		return commit.All, nil
	}
	return m.outcome(batch)
}

func (m *medium) want(t *testing.T, want ...[]int) {
	t.Helper()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !slices.EqualFunc(m.batches, want, slices.Equal) {
		t.Errorf("attempted %v, want %v", m.batches, want)
	}
}

// queue is one that works for a medium, with callers that are in a hurry or not.
type queue struct {
	*commit.Queue[int]
	t *testing.T
}

// outcome is what a caller is told.
type outcome chan error

func newQueue(t *testing.T, m *medium, opts commit.Options[int]) queue {
	return queue{commit.New(m.attempt, opts), t}
}

// begin has a caller commit a change, and returns when the caller waits.
func (q queue) begin(change int) outcome { return q.call(q.t.Context(), change, q.Commit) }

// beginLater is begin for a caller that is in no hurry.
func (q queue) beginLater(change int) outcome { return q.call(q.t.Context(), change, q.CommitLater) }

func (q queue) call(ctx context.Context, change int, commit func(context.Context, int) error) outcome {
	told := make(outcome, 1)
	go func() { told <- commit(ctx, change) }()
	synctest.Wait()
	return told
}

func (q queue) close() {
	q.t.Helper()
	if err := q.Close(); err != nil {
		q.t.Errorf("close: %v", err)
	}
}

// want checks what a caller is told.
func (o outcome) want(t *testing.T, want error) {
	t.Helper()
	if got := <-o; !errors.Is(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// wantWaits checks that a caller has been told nothing.
func (o outcome) wantWaits(t *testing.T) {
	t.Helper()
	select {
	case err := <-o:
		t.Errorf("told %v, want nothing yet", err)
	default:
	}
}
