package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

const (
	// scheduleStep is the most time between two looks at whether a run is due.
	scheduleStep = 10 * time.Second
	// scheduleSteps is how many looks there are in an interval at least.
	scheduleSteps = 10
	// jitterShare is the share of an interval by which a run may come later.
	jitterShare = 0.05
)

// Run carries out the rules whenever it is time, until ctx ends. It is for one
// process at a time of those that share the store: see [Background]. A run that a
// process was killed in is gone on with, at the repository that it had come to: what
// goes is decided anew.
func (r *Retention) Run(ctx context.Context) {
	jitter := rand.Float64() * jitterShare //nolint:gosec // No secret.
	for ctx.Err() == nil {
		settings := r.Settings()
		if settings.Interval > 0 && len(settings.Rules.Names()) > 0 {
			if err := r.runIfDue(ctx, settings.Interval+time.Duration(jitter*float64(settings.Interval))); err != nil && ctx.Err() == nil {
				r.Log.Error("retention rests until its next run", zap.Error(err))
			}
		}
		step := scheduleStep
		if settings.Interval > 0 {
			step = min(step, settings.Interval/scheduleSteps)
		}
		select {
		case <-ctx.Done():
		case <-time.After(step):
		}
	}
}

// runIfDue runs where the last run is as long ago as the interval, or was broken off.
func (r *Retention) runIfDue(ctx context.Context, interval time.Duration) error {
	key, last, err := r.lastScheduled(ctx)
	if err != nil {
		return err
	}
	resumed := last.State == retentionRunning
	if !resumed && r.Source.now().Before(last.Started.Add(interval)) {
		return nil
	}
	rules, err := r.rulesOf(RetainOptions{})
	if err != nil {
		return err
	}
	ctx, end, err := r.begin(ctx)
	if errors.Is(err, ErrRetaining) {
		return nil // It is looked again.
	}
	if err != nil {
		return err
	}
	defer end()
	run := &retaining{Retention: r, rules: rules, began: rules, each: func(Retained) {}, by: bySchedule}
	if resumed {
		run.from, run.entry = last.Position, last
		run.report.Run, run.report.Removed, run.report.Resumed = key, last.Removed, true
	}
	_, err = r.run(ctx, run)
	return err
}
