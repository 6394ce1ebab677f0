package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

var (
	errDraining = errors.New("shutting down")
	// errNoWrites has no details: readiness is open to all.
	errNoWrites = errors.New("the index can't be written to just now, so pushes are refused; the log says why")
)

// excludeIndex is what a probe names that wants pulls to go on while the index
// can't be used.
const excludeIndex = "index"

// ready tells why no requests should come: because the server is about to end,
// or because the index takes no changes, so that every push would be refused.
func (s *server) ready(ctx context.Context, exclude []string) error {
	if s.draining.Load() {
		return errDraining
	}
	checker, able := s.store.(index.WriteChecker)
	if !able || slices.Contains(exclude, excludeIndex) {
		return nil
	}
	return s.writes.look(ctx, checker, s.log)
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
	err   error
}

// look asks the index, unless it was asked just now. What has changed goes to
// the log.
func (c *writesCheck) look(ctx context.Context, checker index.WriteChecker, log *zap.Logger) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if time.Now().Before(c.until) {
		return c.err
	}
	// Others wait for the answer too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writesTimeout)
	defer cancel()
	err := checker.CheckWrites(ctx)
	switch {
	case err != nil && c.err == nil:
		log.Warn("not ready: the index takes no changes", zap.Error(err))
	case err == nil && c.err != nil:
		log.Info("ready: the index takes changes again")
	}
	c.until, c.err = time.Now().Add(writesFor), nil
	if err != nil {
		c.err = errNoWrites
	}
	return c.err
}
