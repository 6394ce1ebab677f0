package measure

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Get implements [index.Maintainer].
func (s *Store) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	start := time.Now()
	found, err := s.store.Get(ctx, repository, manifest)
	s.metrics.get.done(start, err)
	return found, err
}

// Referrers implements [index.Maintainer].
func (s *Store) Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	start := time.Now()
	found, err := s.store.Referrers(ctx, repository, subject, query)
	s.metrics.referrers.done(start, err)
	return found, err
}

// Manifests implements [index.Maintainer].
func (s *Store) Manifests(ctx context.Context, repository string, query index.Query) (records []index.Record, more bool, err error) {
	start := time.Now()
	records, more, err = s.store.Manifests(ctx, repository, query)
	s.metrics.manifests.done(start, err)
	return records, more, err
}

// Parents implements [index.Maintainer].
func (s *Store) Parents(ctx context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	start := time.Now()
	found, err := s.store.Parents(ctx, repository, target, after, limit)
	s.metrics.parents.done(start, err)
	return found, err
}

// Subjects implements [index.Maintainer].
func (s *Store) Subjects(ctx context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	start := time.Now()
	found, err := s.store.Subjects(ctx, repository, manifests)
	s.metrics.subjects.done(start, err)
	return found, err
}

// Around implements [index.Maintainer].
func (s *Store) Around(ctx context.Context, repository string, manifests []digest.Digest, most int) (map[digest.Digest]index.Around, error) {
	start := time.Now()
	found, err := s.store.Around(ctx, repository, manifests, most)
	s.metrics.around.done(start, err)
	return found, err
}

// Open implements [index.Maintainer].
func (s *Store) Open(ctx context.Context, repository string) (bool, error) {
	start := time.Now()
	open, err := s.store.Open(ctx, repository)
	s.metrics.open.done(start, err)
	return open, err
}

// Made implements [index.Maintainer].
func (s *Store) Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	start := time.Now()
	found, err := s.store.Made(ctx, repository, manifests)
	s.metrics.made.done(start, err)
	return found, err
}

// Mark implements [index.Maintainer].
func (s *Store) Mark(ctx context.Context) (index.Mark, error) {
	start := time.Now()
	found, err := s.store.Mark(ctx)
	s.metrics.mark.done(start, err)
	return found, err
}

// Unsettled implements [index.Maintainer].
func (s *Store) Unsettled(ctx context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	start := time.Now()
	found, err := s.store.Unsettled(ctx, repository, subject)
	s.metrics.unsettled.done(start, err)
	return found, err
}
