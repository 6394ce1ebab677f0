package measure

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// SetUnheld implements [index.Maintainer].
func (s *Store) SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error {
	start := time.Now()
	err := s.store.SetUnheld(ctx, repository, manifest, unheld)
	s.metrics.setUnheld.done(start, err)
	return err
}

// SetMade implements [index.Maintainer].
func (s *Store) SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error {
	start := time.Now()
	err := s.store.SetMade(ctx, repository, made)
	s.metrics.setMade.done(start, err)
	return err
}

// Observe implements [index.Maintainer].
func (s *Store) Observe(ctx context.Context, mark index.Mark, records ...index.Record) error {
	start := time.Now()
	err := s.store.Observe(ctx, mark, records...)
	s.metrics.observe.done(start, err)
	return err
}

// Begin implements [index.Maintainer].
func (s *Store) Begin(ctx context.Context, intent index.Intent) (index.IntentID, error) {
	start := time.Now()
	found, err := s.store.Begin(ctx, intent)
	s.metrics.begin.done(start, err)
	return found, err
}

// Confirm implements [index.Maintainer].
func (s *Store) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	start := time.Now()
	err := s.store.Confirm(ctx, id, at)
	s.metrics.confirm.done(start, err)
	return err
}

// ConfirmLater implements [index.LateConfirmer].
func (s *Store) ConfirmLater(ctx context.Context, id index.IntentID, at time.Time) error {
	start := time.Now()
	err := s.store.ConfirmLater(ctx, id, at)
	s.metrics.confirmLater.done(start, err)
	return err
}

// Cancel implements [index.Maintainer].
func (s *Store) Cancel(ctx context.Context, id index.IntentID) error {
	start := time.Now()
	err := s.store.Cancel(ctx, id)
	s.metrics.cancel.done(start, err)
	return err
}

// Settle implements [index.Maintainer].
func (s *Store) Settle(ctx context.Context, id index.IntentID, finding index.Finding) error {
	start := time.Now()
	err := s.store.Settle(ctx, id, finding)
	s.metrics.settle.done(start, err)
	return err
}
