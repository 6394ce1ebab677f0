package registry

import (
	"context"
	"math"
	"sync"

	"golang.org/x/sync/semaphore"
)

// tagLocks orders the writers of a tag within this process. A push with a
// condition owns its tag from the check to the upstream's answer. All others
// share it: they never wait for each other, only for an owner, so that none
// gets between its check and its write. Owners in several processes are kept
// apart by [Registry.lockTag].
//
// Whoever comes first is served first, so that an owner is not kept waiting by
// a stream of sharers. A tag that nobody writes takes no memory.
type tagLocks struct {
	mutex sync.Mutex
	locks map[tagName]*tagLock
}

type tagLock struct {
	weight *semaphore.Weighted
	// users hold the lock or wait for it.
	users int
}

// owned is the weight of an owner: there is room for no sharer beside it.
const owned = math.MaxInt32

// exclusive waits until nobody else writes the tag, or the context is over.
func (l *tagLocks) exclusive(ctx context.Context, name tagName) (release func(), err error) {
	return l.acquire(ctx, name, owned)
}

// shared waits until nobody owns the tag, or the context is over.
func (l *tagLocks) shared(ctx context.Context, name tagName) (release func(), err error) {
	return l.acquire(ctx, name, 1)
}

// acquire returns a function that may be called more than once.
func (l *tagLocks) acquire(ctx context.Context, name tagName, weight int64) (func(), error) {
	lock := l.enter(name)
	if err := lock.weight.Acquire(ctx, weight); err != nil {
		l.leave(name, lock)
		return nil, err
	}
	return sync.OnceFunc(func() {
		lock.weight.Release(weight)
		l.leave(name, lock)
	}), nil
}

func (l *tagLocks) enter(name tagName) *tagLock {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	lock, used := l.locks[name]
	if !used {
		if l.locks == nil {
			l.locks = map[tagName]*tagLock{}
		}
		lock = &tagLock{weight: semaphore.NewWeighted(owned)}
		l.locks[name] = lock
	}
	lock.users++
	return lock
}

func (l *tagLocks) leave(name tagName, lock *tagLock) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.locks, name)
	}
}
