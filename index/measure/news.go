package measure

import (
	"context"
	"time"

	"github.com/backref/backref/index"
)

// SetNews implements [index.Maintainer].
func (s *Store) SetNews(ctx context.Context, on bool) error {
	start := time.Now()
	err := s.store.SetNews(ctx, on)
	s.metrics.setNews.done(start, err)
	return err
}

// Arrivals implements [index.Maintainer].
func (s *Store) Arrivals(ctx context.Context, after uint64, limit int) ([]index.Arrival, error) {
	start := time.Now()
	found, err := s.store.Arrivals(ctx, after, limit)
	s.metrics.arrivals.done(start, err)
	return found, err
}

// Latest implements [index.Maintainer].
func (s *Store) Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	start := time.Now()
	found, err := s.store.Latest(ctx, repository, before, limit)
	s.metrics.latest.done(start, err)
	return found, err
}

// CountNews implements [index.Maintainer].
func (s *Store) CountNews(ctx context.Context) (int, error) {
	start := time.Now()
	n, err := s.store.CountNews(ctx)
	s.metrics.countNews.done(start, err)
	return n, err
}

// TrimNews implements [index.Maintainer].
func (s *Store) TrimNews(ctx context.Context, through uint64, limit int) (int, error) {
	start := time.Now()
	dropped, err := s.store.TrimNews(ctx, through, limit)
	s.metrics.trimNews.done(start, err)
	return dropped, err
}
