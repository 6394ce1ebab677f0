package postgres

import (
	"context"
	"runtime"
	"sync"
)

// sharedQuestion asks the database the same for many at once: those who come while it
// is asked share the next answer, so that each has one that was asked for after it
// came. The zero value is ready. It may be used concurrently, always for the same.
type sharedQuestion[T any] struct {
	mutex  sync.Mutex
	asking bool
	next   *sharedAnswer[T]
}

type sharedAnswer[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// answer returns what ask does, which is called by one goroutine at a time and has to
// end by itself: whoever waits may leave.
func (q *sharedQuestion[T]) answer(ctx context.Context, ask func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	answer := q.join(ask)
	select {
	case <-answer.done:
		return answer.value, answer.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// join returns the answer to a question that is asked after now. Whoever finds that
// none is asked starts the one who asks, which ends with the last question.
func (q *sharedQuestion[T]) join(ask func() (T, error)) *sharedAnswer[T] {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.next == nil {
		q.next = &sharedAnswer[T]{done: make(chan struct{})}
	}
	answer := q.next
	if !q.asking {
		q.asking = true
		go q.askAll(ask)
	}
	return answer
}

func (q *sharedQuestion[T]) askAll(ask func() (T, error)) {
	for {
		// Whoever is about to ask the same does so first.
		runtime.Gosched()
		q.mutex.Lock()
		answer := q.next
		q.next = nil
		q.asking = answer != nil
		q.mutex.Unlock()
		if answer == nil {
			return
		}
		answer.value, answer.err = ask()
		close(answer.done)
	}
}
