package commit

import (
	"context"
	"sync"
	"time"

	"github.com/backref/backref/index"
)

const (
	// QueueSize bounds the changes that wait to be attempted; beyond it the
	// callers wait to get in.
	QueueSize = 1024
	// BatchSize bounds the changes of one batch, and with them the time that the
	// first waits for the last.
	BatchSize = 256
	// Patience is how long a change that can wait does so for one that can't, to
	// share its batch: each transaction that is spared leaves the medium to
	// others.
	Patience = 5 * time.Millisecond
)

// All is what an [Attempt] returns in place of the number of a change where its
// error is the outcome of the whole batch.
const All = -1

// Attempt makes a batch of changes, which is never empty, in one transaction.
// It is called by one goroutine, never twice at once, and must not keep the
// slice.
//
// With All, err is the outcome of every change: nil says that all are durable.
// Otherwise failed is the place in the batch of a change that can't be made,
// err says why, and nothing has happened of the batch; the others are attempted
// again without it. So a change may be made several times before one is kept.
type Attempt[C any] func(batch []C) (failed int, err error)

// Options of a queue. The zero value bounds batches by number alone.
type Options[C any] struct {
	// Weigh returns what a change adds to the weight of its batch, in a unit of
	// the medium's, 0 or more. Callers run it at the same time. Nil weighs
	// nothing.
	Weigh func(change C) int
	// MaxWeight bounds the weight of a batch. A change that is heavier by itself
	// is attempted alone.
	MaxWeight int
	// Attempted is told of each batch that has an outcome as a whole: how many
	// changes it has, and its error. Nil hears nothing.
	Attempted func(changes int, err error)
}

// Queue hands changes to a medium in batches. Its methods may be called by
// several goroutines at once.
type Queue[C any] struct {
	attempt   Attempt[C]
	attempted func(changes int, err error)
	weigh     func(C) int
	maxWeight int

	// gate is held for reading while a change is put into the queue, and for
	// writing to end that.
	gate    sync.RWMutex
	closed  bool
	waiting chan *call[C]
	// done is closed when all that was in the queue is answered.
	done chan struct{}

	// calls are those that were answered, to be used again.
	calls sync.Pool
}

// call is a change that somebody waits for.
type call[C any] struct {
	ctx    context.Context
	change C
	weight int
	// patient says that the caller is in no hurry.
	patient bool
	// outcome has room for it, so that the queue never waits for a caller that
	// has gone. Once it is sent, the queue is through with the call.
	outcome chan error
}

// New returns a queue, and starts the goroutine that attempts what is in it. It
// ends with [Queue.Close].
func New[C any](attempt Attempt[C], opts Options[C]) *Queue[C] {
	q := &Queue[C]{
		attempt:   attempt,
		attempted: opts.Attempted,
		weigh:     opts.Weigh,
		maxWeight: opts.MaxWeight,
		waiting:   make(chan *call[C], QueueSize),
		done:      make(chan struct{}),
	}
	if q.attempted == nil {
		q.attempted = func(int, error) {}
	}
	q.calls.New = func() any { return &call[C]{outcome: make(chan error, 1)} }
	go q.run()
	return q
}

// Commit has a change made and waits for the outcome.
//
// It fails with what the attempt found, with the error of ctx where that ends
// first, or with [index.ErrClosed] after Close. A context that ends while the
// change waits keeps it from being attempted; one that ends while it is
// attempted says nothing of the outcome.
func (q *Queue[C]) Commit(ctx context.Context, change C) error {
	return q.commit(ctx, change, false)
}

// CommitLater is Commit for a caller that is in no hurry: while nobody else is,
// the change waits for up to Patience for others to share its batch.
func (q *Queue[C]) CommitLater(ctx context.Context, change C) error {
	return q.commit(ctx, change, true)
}

// Waiting returns how many changes are in the queue and not yet in a batch.
func (q *Queue[C]) Waiting() int { return len(q.waiting) }

// Done returns a channel that is closed once the queue is, and the last change
// that it had taken is answered.
func (q *Queue[C]) Done() <-chan struct{} { return q.done }

// Close ends the queue. It waits until the changes that it has taken are
// answered; later ones, and a further Close, fail with [index.ErrClosed]. A
// function of the medium must not call it.
func (q *Queue[C]) Close() error {
	q.gate.Lock()
	if q.closed {
		q.gate.Unlock()
		return index.ErrClosed
	}
	q.closed = true
	close(q.waiting)
	q.gate.Unlock()
	<-q.done
	return nil
}

func (q *Queue[C]) commit(ctx context.Context, change C, patient bool) error {
	c := q.calls.Get().(*call[C])
	c.ctx, c.change, c.patient = ctx, change, patient
	if q.weigh != nil {
		c.weight = q.weigh(change)
	}
	if err := q.enqueue(c); err != nil {
		q.reuse(c)
		return err
	}
	select {
	case err := <-c.outcome:
		q.reuse(c)
		return err
	case <-ctx.Done():
		// The call is the queue's still, and used no more.
		return ctx.Err()
	}
}

// reuse keeps a call that the queue does not have.
func (q *Queue[C]) reuse(c *call[C]) {
	*c = call[C]{outcome: c.outcome}
	q.calls.Put(c)
}

func (q *Queue[C]) enqueue(c *call[C]) error {
	q.gate.RLock()
	defer q.gate.RUnlock()
	if q.closed {
		return index.ErrClosed
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	select {
	case q.waiting <- c:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}
