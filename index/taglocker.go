package index

import (
	"context"
	"time"
)

// TagLocker is a [Store] that several processes use at once and that keeps those
// of them apart that write a tag upstream. A store that one process has needs
// no such lock: the process has its own.
type TagLocker interface {
	// LockTag waits until nobody else has the tag of a repository, through any
	// process, or ctx ends, and takes it until release is called. The context
	// that it returns ends with that, or when the process may lose the tag; it
	// does not end with ctx, so that what was begun can be seen to its end.
	//
	// Nobody else gets a tag that was lost, because its process was killed or
	// can't reach the store, before the time after is over since its context
	// has ended, or would have. So what takes no longer, and was begun within
	// the context, is over by then: it can be a request upstream, which can't
	// be called back.
	//
	// The wait is bounded by the store; the error is [ErrInUse] then. release
	// may be called more than once.
	LockTag(ctx context.Context, repository, tag string, after time.Duration) (held context.Context, release context.CancelFunc, err error)
}
