package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/reconcile"
)

// The names of the parts of readiness, by which a probe can exclude them: index,
// for one that wants pulls to go on while the index can't be used.
const (
	partServer        = "server"
	partIndex         = "index"
	partUpstream      = "upstream"
	partConfiguration = "configuration"
)

// What is said of a part that is missing. Readiness is open to all, so that it
// gives no details.
const (
	saysDraining  = "shutting down"
	saysNoWrites  = "the index can't be written to just now, so pushes are refused; the log says why"
	saysNotLooked = "the registry has not been looked at yet"
	saysNotTaken  = "the configuration was read again and can't be taken over, that of before stays; the log says why"
)

// ready tells whether requests should come: not because the server is about to
// end, because the index takes no changes, so that every push would be refused, or,
// where that is wanted, because the registry can't be used.
func (s *server) ready(ctx context.Context, exclude []string) []admin.Part {
	parts := []admin.Part{s.serving()}
	if checker, able := s.store.(index.WriteChecker); able && !slices.Contains(exclude, partIndex) {
		parts = append(parts, s.writes.look(ctx, checker, s.log))
	}
	if !slices.Contains(exclude, partUpstream) {
		parts = append(parts, upstreamPart(s.lookout.Seen(), s.config.Admin.ReadyUpstream))
	}
	return append(parts, s.configurationPart())
}

// serving tells whether the server goes on.
func (s *server) serving() admin.Part {
	if since := s.draining.Load(); since != nil {
		return admin.Part{Name: partServer, Required: true, Message: saysDraining, Since: *since}
	}
	return admin.Part{Name: partServer, OK: true, Required: true, Since: s.began}
}

// configurationPart tells what came of the configuration that was read last. By the
// one that counts the server serves on.
func (s *server) configurationPart() admin.Part {
	at, err := s.lastReload()
	part := admin.Part{Name: partConfiguration, OK: err == nil, Since: at}
	if err != nil {
		part.Message = saysNotTaken
	}
	return part
}

// upstreamPart tells what was seen of the registry.
func upstreamPart(seen reconcile.Seen, required bool) admin.Part {
	part := admin.Part{Name: partUpstream, Required: required, Since: seen.Since}
	switch {
	case seen.Since.IsZero():
		part.Message = saysNotLooked
	case seen.Fault != nil:
		part.Message = seen.Fault.Mend()
	default:
		part.OK = true
	}
	return part
}

const (
	// writesFor is how long an answer of the index is used again, so that those
	// who ask for readiness can't keep it busy.
	writesFor = time.Second
	// writesTimeout is how long the index may take.
	writesTimeout = 5 * time.Second
)

// writesCheck is whether the index takes changes, as it was found last.
type writesCheck struct {
	mutex sync.Mutex
	until time.Time
	since time.Time
	// fails says that it was found to take none.
	fails bool
}

// look asks the index, unless it was asked just now. What has changed goes to
// the log.
func (c *writesCheck) look(ctx context.Context, checker index.WriteChecker, log *zap.Logger) admin.Part {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if time.Now().Before(c.until) {
		return c.part()
	}
	// Others wait for the answer too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writesTimeout)
	defer cancel()
	err := checker.CheckWrites(ctx)
	switch {
	case err != nil && !c.fails:
		log.Warn("not ready: the index takes no changes", zap.Error(err))
	case err == nil && c.fails:
		log.Info("ready: the index takes changes again")
	}
	now := time.Now()
	if fails := err != nil; c.since.IsZero() || fails != c.fails {
		c.since, c.fails = now, fails
	}
	c.until = now.Add(writesFor)
	return c.part()
}

func (c *writesCheck) part() admin.Part {
	part := admin.Part{Name: partIndex, OK: !c.fails, Required: true, Since: c.since}
	if c.fails {
		part.Message = saysNoWrites
	}
	return part
}
