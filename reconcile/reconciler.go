package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

// ErrBusy means that a rebuild or verification is running already.
var ErrBusy = errors.New("a rebuild or verification is running already")

// Reconciler compares the index with the registry, and rebuilds it. It may be
// used concurrently; one rebuild or verification runs at a time.
type Reconciler struct {
	store   index.Maintainer
	source  *Source
	config  config.Reconcile
	log     *zap.Logger
	running sync.Mutex
}

// New returns a reconciler.
func New(store index.Maintainer, source *Source, cfg config.Reconcile, log *zap.Logger) *Reconciler {
	return &Reconciler{store: store, source: source, config: cfg, log: log}
}

func (r *Reconciler) newCrawler(options Options, missed func(repository, reference string, err error)) (*crawler, error) {
	c := &crawler{source: r.source, store: r.store, asking: make(chan struct{}, r.config.Concurrency), missed: missed}
	if options.Storage != "" {
		storage, err := OpenStorage(options.Storage)
		if err != nil {
			return nil, err
		}
		c.storage = storage
	}
	return c, nil
}

// knows tells whether the live index has a record.
func (r *Reconciler) knows(ctx context.Context, key index.Key) (bool, error) {
	_, err := r.store.Get(ctx, key.Repository, key.Digest)
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// wait waits until a time has come.
func (r *Reconciler) wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(until.Sub(r.source.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
