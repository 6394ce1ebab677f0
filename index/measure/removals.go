package measure

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Remove implements [index.Maintainer].
func (s *Store) Remove(ctx context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	start := time.Now()
	ids, err := s.store.Remove(ctx, at, manifests...)
	s.metrics.remove.done(start, err)
	return ids, err
}

// Removals implements [index.Maintainer].
func (s *Store) Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	start := time.Now()
	found, err := s.store.Removals(ctx, repository, after, limit)
	s.metrics.removals.done(start, err)
	return found, err
}

// Removing implements [index.Maintainer].
func (s *Store) Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	start := time.Now()
	found, err := s.store.Removing(ctx, repository, manifests)
	s.metrics.removing.done(start, err)
	return found, err
}
