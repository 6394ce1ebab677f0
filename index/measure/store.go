package measure

import "github.com/backref/backref/index"

// Measured is a store that can be measured. Each one of this module can.
type Measured interface {
	index.Maintainer
	index.LateConfirmer
}

// Store is a store whose calls are measured. It names every method that is, so
// that a new one is not forgotten; what a store can do beside is to be embedded
// next to it.
type Store struct {
	store   Measured
	metrics *Metrics
}

var _ Measured = (*Store)(nil)

// New measures the calls of a store.
func New(store Measured, metrics *Metrics) *Store {
	return &Store{store, metrics}
}

// Close implements [index.Store].
func (s *Store) Close() error { return s.store.Close() }
