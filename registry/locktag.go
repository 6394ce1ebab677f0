package registry

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// lockTag waits until nobody writes a tag through this process, and nobody owns
// it through any that shares the index, and keeps it so until release is called,
// which may be more than once. Others that share a tag through other processes
// are not kept out: to look for owners there would cost every push a question.
//
// The context that it returns ends with that, or when this process may lose the
// tag: from then on nothing is to be sent upstream. What was sent before is over,
// by requestTime, when another process can have the tag. It does not end with
// ctx.
func (r *Registry) lockTag(ctx context.Context, name tagName) (held context.Context, release func(), err error) {
	here, err := r.tagLocks.exclusive(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if r.tagLocker == nil {
		held, end := context.WithCancel(context.WithoutCancel(ctx))
		return held, func() {
			end()
			here()
		}, nil
	}
	held, everywhere, err := r.tagLocker.LockTag(ctx, name.repository, name.tag, r.options.RequestTime)
	if err != nil {
		here()
		if errors.Is(err, index.ErrInUse) {
			err = oci.Unavailable(http.StatusServiceUnavailable, "the tag is being written through another replica; try again later", err)
		}
		return nil, nil, err
	}
	return held, sync.OnceFunc(func() {
		everywhere()
		here()
	}), nil
}

// tagLost is the answer to a push whose tag was lost before the push was sent.
func tagLost() *oci.Error {
	return oci.Unavailable(http.StatusServiceUnavailable, "the tag could not be kept for this push; try again later", nil)
}

// LockTag is for those who write tags beside requests: it waits until nobody
// writes a tag through this process, nor owns it through any that shares the
// index, and keeps it so until release is called, which it has to be. The
// context that it returns ends with ctx, with release, and when this process may
// lose the tag. The error is that of ctx or of the index.
func (r *Registry) LockTag(ctx context.Context, repository, tag string) (held context.Context, release func(), err error) {
	owned, free, err := r.lockTag(ctx, tagName{repository, tag})
	if err != nil {
		return nil, nil, err
	}
	held, end := context.WithCancel(ctx)
	unlink := context.AfterFunc(owned, end)
	return held, func() {
		unlink()
		end()
		free()
	}, nil
}
