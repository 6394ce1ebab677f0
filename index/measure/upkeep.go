package measure

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Intents implements [index.Maintainer].
func (s *Store) Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	start := time.Now()
	found, err := s.store.Intents(ctx, after, limit)
	s.metrics.intents.done(start, err)
	return found, err
}

// Records implements [index.Maintainer].
func (s *Store) Records(ctx context.Context, after index.Key, limit int) ([]index.Record, error) {
	start := time.Now()
	found, err := s.store.Records(ctx, after, limit)
	s.metrics.records.done(start, err)
	return found, err
}

// Forget implements [index.Maintainer].
func (s *Store) Forget(ctx context.Context, mark index.Mark, repository string, manifest digest.Digest) error {
	start := time.Now()
	err := s.store.Forget(ctx, mark, repository, manifest)
	s.metrics.forget.done(start, err)
	return err
}

// Correct implements [index.Maintainer].
func (s *Store) Correct(ctx context.Context, mark index.Mark, record index.Record) error {
	start := time.Now()
	err := s.store.Correct(ctx, mark, record)
	s.metrics.correct.done(start, err)
	return err
}

// Stats implements [index.Maintainer].
func (s *Store) Stats(ctx context.Context) (index.Stats, error) {
	start := time.Now()
	found, err := s.store.Stats(ctx)
	s.metrics.stats.done(start, err)
	return found, err
}

// BeginRebuild implements [index.Maintainer].
func (s *Store) BeginRebuild(ctx context.Context) ([]byte, error) {
	start := time.Now()
	found, err := s.store.BeginRebuild(ctx)
	s.metrics.beginRebuild.done(start, err)
	return found, err
}

// Fill implements [index.Maintainer].
func (s *Store) Fill(ctx context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error {
	start := time.Now()
	err := s.store.Fill(ctx, mark, checkpoint, records...)
	s.metrics.fill.done(start, err)
	return err
}

// Unfilled implements [index.Maintainer].
func (s *Store) Unfilled(ctx context.Context, after index.Key, limit int) (records []index.Record, scanned index.Key, err error) {
	start := time.Now()
	records, scanned, err = s.store.Unfilled(ctx, after, limit)
	s.metrics.unfilled.done(start, err)
	return records, scanned, err
}

// FinishRebuild implements [index.Maintainer].
func (s *Store) FinishRebuild(ctx context.Context) error {
	start := time.Now()
	err := s.store.FinishRebuild(ctx)
	s.metrics.finishRebuild.done(start, err)
	return err
}

// AbandonRebuild implements [index.Maintainer].
func (s *Store) AbandonRebuild(ctx context.Context) error {
	start := time.Now()
	err := s.store.AbandonRebuild(ctx)
	s.metrics.abandonRebuild.done(start, err)
	return err
}

// SetOutbox implements [index.Maintainer].
func (s *Store) SetOutbox(ctx context.Context, on bool) error {
	start := time.Now()
	err := s.store.SetOutbox(ctx, on)
	s.metrics.setOutbox.done(start, err)
	return err
}

// Changed implements [index.Maintainer].
func (s *Store) Changed(ctx context.Context, after uint64, limit int) ([]index.Change, error) {
	start := time.Now()
	found, err := s.store.Changed(ctx, after, limit)
	s.metrics.changed.done(start, err)
	return found, err
}

// Written implements [index.Maintainer].
func (s *Store) Written(ctx context.Context, change index.Change) error {
	start := time.Now()
	err := s.store.Written(ctx, change)
	s.metrics.written.done(start, err)
	return err
}
