package commit

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// batch are the calls that are attempted together, and their changes, at the
// same places.
type batch[C any] struct {
	calls   []*call[C]
	changes []C
	weight  int
	// patient says that all of them can wait.
	patient bool
}

// begin begins a batch anew, with one call.
func (b *batch[C]) begin(first *call[C]) {
	b.calls, b.changes = append(b.calls[:0], first), append(b.changes[:0], first.change)
	b.weight, b.patient = first.weight, first.patient
}

func (b *batch[C]) add(c *call[C]) {
	b.calls, b.changes = append(b.calls, c), append(b.changes, c.change)
	b.weight += c.weight
	b.patient = b.patient && c.patient
}

// answer tells the caller at a place its outcome, and takes it out.
func (b *batch[C]) answer(place int, outcome error) {
	c := b.calls[place]
	b.calls, b.changes = slices.Delete(b.calls, place, place+1), slices.Delete(b.changes, place, place+1)
	c.outcome <- outcome
}

// answerAll tells all callers the same outcome.
func (b *batch[C]) answerAll(outcome error) {
	for _, c := range b.calls {
		c.outcome <- outcome
	}
	clear(b.calls)
	clear(b.changes)
	b.calls, b.changes = b.calls[:0], b.changes[:0]
}

// run attempts what comes into the queue, until that is closed and empty.
func (q *Queue[C]) run() {
	defer close(q.done)
	timer := time.NewTimer(Patience)
	timer.Stop()
	b := batch[C]{calls: make([]*call[C], 0, BatchSize), changes: make([]C, 0, BatchSize)}
	var left *call[C]
	for {
		first := left
		if first == nil {
			var open bool
			if first, open = <-q.waiting; !open {
				return
			}
		}
		left = q.gather(&b, first, timer)
		q.attemptBatch(&b)
	}
}

// gather makes a batch that begins with the given call: of those that wait, and
// those that come while all of it can wait. The one that is too heavy for the
// batch is left for the next.
func (q *Queue[C]) gather(b *batch[C], first *call[C], timer *time.Timer) (left *call[C]) {
	b.begin(first)
	if b.patient {
		timer.Reset(Patience)
		defer timer.Stop()
	}
	for len(b.calls) < BatchSize {
		next := q.next(b.patient, timer.C)
		switch {
		case next == nil:
			return nil
		case b.weight+next.weight > q.maxWeight:
			return next
		}
		b.add(next)
	}
	return nil
}

// next takes the next call, for which it waits only if the batch is patient. It
// returns nil where there is none.
func (q *Queue[C]) next(patient bool, over <-chan time.Time) *call[C] {
	if !patient {
		select {
		case c := <-q.waiting:
			return c
		default:
			return nil
		}
	}
	select {
	case c := <-q.waiting:
		return c
	case <-over:
		return nil
	}
}

// attemptBatch attempts a batch until each of its callers has an outcome. A change
// that can't be made is taken out and the others are attempted without it.
func (q *Queue[C]) attemptBatch(b *batch[C]) {
	for b.dropGone(); len(b.calls) > 0; b.dropGone() {
		failed, err := q.try(b.changes)
		if failed < 0 || failed >= len(b.calls) {
			q.attempted(len(b.calls), err)
			b.answerAll(err)
			return
		}
		if err == nil {
			// It must not pass for one that was made.
			err = errNoReason
		}
		b.answer(failed, err)
	}
}

// ErrPanic is the outcome of changes whose attempt panicked. It says nothing
// about whether they are made.
var ErrPanic = errors.New("an attempt to commit panicked")

var errNoReason = errors.New("a change could not be made, for no reason that was given")

// dropGone takes out the changes that nobody waits for any more: they had
// better not happen.
func (b *batch[C]) dropGone() {
	for place := 0; place < len(b.calls); {
		if err := b.calls[place].ctx.Err(); err != nil {
			b.answer(place, err)
		} else {
			place++
		}
	}
}

// try makes an attempt. One that panics fails the whole batch: the medium knows
// which of its changes to blame where it can tell, and may have written.
func (q *Queue[C]) try(changes []C) (failed int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			failed, err = All, fmt.Errorf("%w at %s: %v", ErrPanic, panicPlace(), cause)
		}
	}()
	return q.attempt(changes)
}

// panicPlace returns the line that panicked, for the function that recovers.
func panicPlace() string {
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		if !more || !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
	}
}
