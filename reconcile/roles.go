package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// roleInterval is how often a process asks for the role that another one has.
const roleInterval = 2 * time.Second

// begin lets one rebuild, verification or pruning run at a time, in this
// process and in all that share the store; a further one gets [ErrBusy]. The
// context that it returns ends where the store is shared and this process has
// lost its turn.
func (r *Reconciler) begin(ctx context.Context) (within context.Context, end func(), err error) {
	if !r.running.TryLock() {
		return nil, nil, ErrBusy
	}
	sharer, shared := r.store.(index.Sharer)
	if !shared {
		return ctx, r.running.Unlock, nil
	}
	held, release, err := sharer.Hold(ctx, index.RoleMaintenance)
	if err != nil {
		r.running.Unlock()
		if errors.Is(err, index.ErrInUse) {
			err = fmt.Errorf("%w, in another process", ErrBusy)
		}
		return nil, nil, err
	}
	return held, func() {
		release()
		r.running.Unlock()
	}, nil
}

// Background returns what does all the works, each until its context ends, in
// this process alone of those that share the store. Where another one does
// them, it waits until that ends. sharer is nil for a store that one process has.
func Background(sharer index.Sharer, log *zap.Logger, works ...func(ctx context.Context)) func(ctx context.Context) {
	all := func(ctx context.Context) {
		var running sync.WaitGroup
		for _, work := range works {
			running.Go(func() { work(ctx) })
		}
		running.Wait()
	}
	if sharer == nil || len(works) == 0 {
		return all
	}
	return func(ctx context.Context) {
		ticker := time.NewTicker(roleInterval)
		defer ticker.Stop()
		for ctx.Err() == nil {
			held, release, err := sharer.Hold(ctx, index.RoleBackground)
			switch {
			case err == nil:
				log.Info("this process works on the index in the background")
				all(held)
				release()
			case !errors.Is(err, index.ErrInUse) && ctx.Err() == nil:
				log.Warn("nobody may work on the index in the background", zap.Error(err))
			}
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	}
}
