package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// memoryPatience is how long a push waits for its turn.
const memoryPatience = 10 * time.Second

// manifestMemory bounds the bytes of manifests that are held at once, however
// many clients push or pull. Room is taken for a whole manifest before its
// first byte is read: pushes that each had a part of theirs could wait for
// each other for ever.
type manifestMemory struct {
	room *semaphore.Weighted
}

func newManifestMemory(size config.Size) manifestMemory {
	return manifestMemory{room: semaphore.NewWeighted(int64(size))}
}

// take waits for room for a manifest that is pushed. The room is to be given
// back once.
func (m manifestMemory) take(ctx context.Context, size int64) (giveBack func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	switch err := m.room.Acquire(waiting, size); {
	case ctx.Err() != nil && err != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, oci.Unavailable(http.StatusServiceUnavailable,
			"this proxy holds as many manifests as it may (limits.manifestMemory); try again later", err)
	}
	return func() { m.room.Release(size) }, nil
}

// takeSpare takes room for a manifest that is only looked at, if there is some
// just now.
func (m manifestMemory) takeSpare(size int64) (giveBack func(), taken bool) {
	if !m.room.TryAcquire(size) {
		return nil, false
	}
	return func() { m.room.Release(size) }, true
}

// hurry gives a client limits.manifestTime to send its manifest, since others
// wait for the room. The caller has to call rest when it is there.
func (p *Proxy) hurry(w http.ResponseWriter, r *http.Request) (rest func(), err error) {
	until := time.Now().Add(p.config.Limits.ManifestTime)
	if body, guarded := r.Body.(*guardedBody); guarded {
		body.until = until
		return func() {}, nil
	}
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(until); err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			return func() {}, nil
		}
		return nil, fmt.Errorf("bound the time of a push: %w", err)
	}
	return func() { _ = connection.SetReadDeadline(time.Time{}) }, nil
}

// discard reads a manifest that is refused, and keeps nothing of it: most
// clients look for an answer only when they have sent all, and one that is
// still sending when the connection is closed never sees why. A client that
// expects to be asked for its body first is not asked.
func (p *Proxy) discard(w http.ResponseWriter, r *http.Request, size int64) {
	if r.Header.Get("Expect") != "" || r.Context().Err() != nil {
		return
	}
	rest, err := p.hurry(w, r)
	if err != nil {
		return
	}
	defer rest()
	_, _ = io.CopyN(io.Discard, r.Body, size)
}

// tooSlow is the answer to a client that did not hurry.
func (p *Proxy) tooSlow(err error) *oci.Error {
	return &oci.Error{
		Status: http.StatusRequestTimeout, Code: oci.CodeManifestInvalid, Cause: err,
		Message: fmt.Sprintf("the manifest did not arrive within %s (limits.manifestTime); send it again", p.config.Limits.ManifestTime),
		Header:  http.Header{"Connection": {"close"}, "Retry-After": {strconv.Itoa(int(oci.RetryAfter / time.Second))}},
		Limit:   "limits.manifestTime",
	}
}

// late tells whether reading ended because its time was over.
func late(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded)
}
