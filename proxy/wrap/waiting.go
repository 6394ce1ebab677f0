package wrap

import (
	"context"
	"sync"
	"time"

	"github.com/backref/backref/registry"
)

// UpstreamWatch tells requests for how long they wait for the registry. It is
// told of each question that is asked there. It may be used concurrently.
type UpstreamWatch struct{}

// Sent is to be called when a request to the registry is about to be sent; ctx
// is its context.
func (UpstreamWatch) Sent(ctx context.Context) {
	if e, ok := ctx.Value(registry.RequestKey{}).(*Entry); ok {
		e.upstream.begin()
	}
}

// Answered is to be called when the header of the answer is there, or when
// there will be none.
func (UpstreamWatch) Answered(ctx context.Context) {
	if e, ok := ctx.Value(registry.RequestKey{}).(*Entry); ok {
		e.upstream.end()
	}
}

// stopwatch measures for how long something was under way, be it once or
// several times at once.
type stopwatch struct {
	mutex    sync.Mutex
	underway int
	since    time.Time
	total    time.Duration
}

func (s *stopwatch) begin() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.underway++; s.underway == 1 {
		s.since = time.Now()
	}
}

func (s *stopwatch) end() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.underway--; s.underway == 0 {
		s.total += time.Since(s.since)
	}
}

// waited returns the time until now.
func (s *stopwatch) waited() time.Duration {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.underway > 0 {
		return s.total + time.Since(s.since)
	}
	return s.total
}
