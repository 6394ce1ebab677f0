package transfer

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// pool bounds how many requests of a copy are under way at once, however many
// images the copy is about.
type pool struct {
	slots chan struct{}
}

func newPool(size int) *pool {
	return &pool{make(chan struct{}, size)}
}

// do works in a slot of the pool. What works in a slot waits for no other one.
func (p *pool) do(ctx context.Context, work func() error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return work()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// workers are goroutines that end together, each in a slot of a pool.
type workers struct {
	pool  *pool
	group *errgroup.Group
	ctx   context.Context
}

// workers returns a group whose context ends with the first error.
func (p *pool) workers(ctx context.Context) (*workers, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(p.slots))
	return &workers{p, group, ctx}, ctx
}

func (w *workers) Go(work func() error) {
	w.group.Go(func() error { return w.pool.do(w.ctx, work) })
}

func (w *workers) Wait() error {
	return w.group.Wait()
}
