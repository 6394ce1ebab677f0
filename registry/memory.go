package registry

import (
	"context"
	"net/http"
	"time"

	"github.com/backref/backref/oci"
)

// memoryPatience is how long a push waits for its turn.
const memoryPatience = 10 * time.Second

// Memory bounds the bytes of manifests that are held at once, however
// many clients push or pull. Room is taken for a whole manifest before its
// first byte is read: pushes that each had a part of theirs could wait for
// each other for ever.
type Memory struct {
	room *room
}

// Take waits for room for a manifest that is pushed. The room is to be given
// back once.
func (m Memory) Take(ctx context.Context, size int64) (giveBack func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	giveBack, err = m.room.take(waiting, size)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, oci.Unavailable(http.StatusServiceUnavailable,
			"this proxy holds as many manifests as it may (limits.manifestMemory); try again later", err)
	}
	return giveBack, nil
}

// TakeSpare takes room for a manifest that is only looked at, if there is some
// just now.
func (m Memory) TakeSpare(size int64) (giveBack func(), taken bool) {
	return m.room.takeSpare(size)
}
