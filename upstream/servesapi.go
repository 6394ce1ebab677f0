package upstream

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// servesFor is for how long it counts that a registry was found to be one, or none.
// What is missing meanwhile may be missing because another server has come in its
// place, so it is short.
const servesFor = time.Second

// apiCheck is whether there is a registry, as it was found last.
type apiCheck struct {
	asking singleflight.Group

	mutex sync.Mutex
	until time.Time
	found error
}

// ServesAPI tells whether a "not found" about a repository is that of a registry. A server without
// /v2/, such as one that a URL with a wrong path leads to, has nothing of what it
// is asked for, and nothing follows from that. It asks as an anonymous client, and
// seldom: what was found counts for a second. The error is a [*Fault], or that of
// ctx. An empty repository stands for the catalog.
func (r *Registry) ServesAPI(ctx context.Context, repository string) error {
	if at := r.behindRepository(repository); at != r {
		err := at.ServesAPI(ctx, repository)
		if fault := (*Fault)(nil); errors.As(err, &fault) {
			return fault.At(at.options.Key)
		}
		return err
	}
	if found, fresh := r.api.recall(); fresh {
		return found
	}
	// Who asked first may leave; others wait for the answer too.
	asked := r.api.asking.DoChan("", func() (any, error) {
		err := r.servesAPI(context.WithoutCancel(ctx))
		r.api.note(err)
		return nil, err
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case answer := <-asked:
		return answer.Err
	}
}

func (r *Registry) servesAPI(ctx context.Context) error {
	_, fault := r.speak(ctx)
	if fault == nil {
		return nil
	}
	switch fault.Reason {
	case ReasonChallenge, ReasonNoCredentials, ReasonCredentials:
		// It is one, and wants to know who asks.
		return nil
	default:
		if errors.Is(fault, errTurnedAway) {
			// The way in leads elsewhere, which says nothing of what is here.
			return nil
		}
		return fault
	}
}

func (c *apiCheck) recall() (found error, fresh bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.found, time.Now().Before(c.until)
}

func (c *apiCheck) note(found error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.found, c.until = found, time.Now().Add(servesFor)
}
