package notice

import (
	"context"
	"math"
	"time"

	"go.uber.org/zap"
)

const (
	// trimInterval is how often it is looked whether there is more than is kept.
	trimInterval = time.Minute
	// trimBatch is how many entries are dropped in one transaction.
	trimBatch = 500
)

// trim drops what is older, and more, than is kept, until ctx ends. What a hook has
// still to send stays, unless there is more than is kept: then the hook gives it up.
func (s *Service) trim(ctx context.Context, settings Settings) {
	failing := false
	for {
		err := s.trimOnce(ctx, settings)
		if err == nil {
			var left int
			if left, err = trimDead(ctx, s.options.Store); err == nil {
				s.metrics.dead.Set(float64(left))
			}
		}
		if err != nil && !failing && ctx.Err() == nil {
			s.options.Log.Warn("old news can't be dropped", zap.Error(err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(trimInterval):
		}
	}
}

func (s *Service) trimOnce(ctx context.Context, settings Settings) error {
	sent, all, err := s.waiting(ctx, settings.Hooks)
	if err != nil {
		return err
	}
	if all {
		sent = math.MaxUint64
	}
	if err := s.trimOld(ctx, settings, sent); err != nil {
		return err
	}
	n, err := s.options.Store.CountNews(ctx)
	if err != nil {
		return err
	}
	excess := n - settings.Entries
	if excess <= 0 {
		return nil
	}
	floor, err := s.numberAt(ctx, excess)
	if err != nil {
		return err
	}
	s.floor.Store(floor)
	return s.drop(ctx, min(floor, sent))
}

// trimOld drops what is older than is kept, and was sent.
func (s *Service) trimOld(ctx context.Context, settings Settings, sent uint64) error {
	before := s.options.Now().Add(-settings.Keep)
	through := uint64(0)
	for {
		arrivals, err := s.options.Store.Arrivals(ctx, through, arrivalsRead)
		if err != nil {
			return err
		}
		for _, a := range arrivals {
			if a.Number > sent || a.At.After(before) {
				return s.drop(ctx, through)
			}
			through = a.Number
		}
		if len(arrivals) < arrivalsRead {
			return s.drop(ctx, through)
		}
	}
}

// numberAt returns the number of the arrival in a place, from 1.
func (s *Service) numberAt(ctx context.Context, place int) (number uint64, err error) {
	for place > 0 {
		arrivals, err := s.options.Store.Arrivals(ctx, number, min(place, arrivalsRead))
		if err != nil || len(arrivals) == 0 {
			return number, err
		}
		number = arrivals[len(arrivals)-1].Number
		place -= len(arrivals)
	}
	return number, nil
}

// drop drops the entries up to a number; 0 is before all.
func (s *Service) drop(ctx context.Context, through uint64) error {
	for through > 0 {
		if n, err := s.options.Store.TrimNews(ctx, through, trimBatch); err != nil || n < trimBatch {
			return err
		}
	}
	return nil
}
