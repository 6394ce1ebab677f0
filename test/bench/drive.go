package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// worker is one client of a load that this program makes itself.
type worker struct {
	// work does one piece of work.
	work  func(ctx context.Context) error
	close func()
}

// workGrace is how long a piece of work may go on after the end.
const workGrace = time.Minute

// drive lets workers work until the time is over, and what is under way then
// to its end. It measures pieces of work per second and their latencies. The
// first error makes all of it invalid.
func drive(ctx context.Context, workers int, duration time.Duration, start func(ctx context.Context) (worker, error)) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, duration+workGrace)
	defer cancel()
	ready := make([]worker, 0, workers)
	defer func() {
		for _, w := range ready {
			w.close()
		}
	}()
	for range workers {
		w, err := start(ctx)
		if err != nil {
			return nil, err
		}
		ready = append(ready, w)
	}
	begun := time.Now()
	latencies := make([][]time.Duration, workers)
	errs := make([]error, workers)
	var group sync.WaitGroup
	for i, w := range ready {
		group.Go(func() {
			for last := time.Now(); last.Sub(begun) < duration && ctx.Err() == nil; {
				if errs[i] = w.work(ctx); errs[i] != nil {
					// The others' work would be worth nothing.
					cancel()
					return
				}
				now := time.Now()
				latencies[i] = append(latencies[i], now.Sub(last))
				last = now
			}
		})
	}
	group.Wait()
	elapsed := time.Since(begun)
	if err := firstError(errs); err != nil {
		return nil, err
	}
	all := slices.Concat(latencies...)
	if len(all) == 0 {
		return nil, errors.New("nothing was done")
	}
	slices.Sort(all)
	return sample{
		metricRequests:     float64(len(all)) / elapsed.Seconds(),
		metricRequestCount: float64(len(all)),
		metricP50:          milliseconds(percentile(all, 50)), metricP99: milliseconds(percentile(all, 99)),
	}, nil
}

// firstError prefers an error to what it did to the others.
func firstError(errs []error) error {
	var canceled error
	for i, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			canceled = err
		default:
			return fmt.Errorf("client %d: %w", i, err)
		}
	}
	return canceled
}

// percentile returns a percentile of sorted durations.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
