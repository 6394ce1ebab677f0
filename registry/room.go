package registry

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// room bounds how much is held at once, by a size that may change.
type room struct {
	present atomic.Pointer[sized]
}

// sized is a room of one size.
type sized struct {
	*semaphore.Weighted
	size int64
}

func newRoom(size int64) *room {
	r := &room{}
	r.resize(size)
	return r
}

// resize gives the room another size, 1 at least. What is held was taken of the
// room as it was and is given back there, so that for as long as it is held more
// than the new size may be.
func (r *room) resize(size int64) {
	size = max(1, size)
	if before := r.present.Load(); before == nil || before.size != size {
		r.present.Store(&sized{semaphore.NewWeighted(size), size})
	}
}

// take waits for so much of the room, which is to be given back once. The error
// is that of ctx.
func (r *room) take(ctx context.Context, amount int64) (giveBack func(), err error) {
	present := r.present.Load()
	if err := present.Acquire(ctx, amount); err != nil {
		return nil, err
	}
	return func() { present.Release(amount) }, nil
}

// takeSpare is take without waiting. It is false where there is not so much.
func (r *room) takeSpare(amount int64) (giveBack func(), taken bool) {
	present := r.present.Load()
	if !present.TryAcquire(amount) {
		return nil, false
	}
	return func() { present.Release(amount) }, true
}
