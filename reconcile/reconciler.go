package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// ErrBusy means that a rebuild or verification is running already.
var ErrBusy = errors.New("a rebuild or verification is running already")

// Settings say how a reconciler goes about its work.
type Settings struct {
	// Concurrency is the most questions at once.
	Concurrency int
	// MissingTwice is the least time between the two answers "not found" that drop
	// a record.
	MissingTwice time.Duration
	// VerifyInterval is how long a [Patrol] takes for a round.
	VerifyInterval time.Duration
	// Audit is waited for by who reads the audit; nil where another process has it.
	Audit *Audit
	// Tracer makes spans of what operators ask for; nil makes none.
	Tracer trace.Tracer
	// Metrics is where rebuilds and verifications are shown; nil for nowhere. One
	// [New] can have it: each registers its own.
	Metrics *prometheus.Registry
}

// Store is the index as a [Reconciler] works on it. Where it is an
// [index.Sharer] too, one process at a time works on it; where it is an
// [index.Copier], it can be copied.
type Store interface {
	Index
	Records
	Intents
	Open
	AuditReader
	index.Rebuilder
	// Removing is that of [index.Remover].
	Removing(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error)
	// Correct, Stats, SetUnheld, Made and SetMade are those of [index.Maintainer].
	Correct(ctx context.Context, mark index.Mark, record index.Record) error
	Stats(ctx context.Context) (index.Stats, error)
	SetUnheld(ctx context.Context, repository string, manifest digest.Digest, unheld bool) error
	Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error)
	SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error
}

// Reconciler compares the index with the registry, and rebuilds it. It may be
// used concurrently; one rebuild or verification runs at a time.
type Reconciler struct {
	store    Store
	source   *Source
	settings Settings
	log      *zap.Logger
	spans    registry.Spans
	running  sync.Mutex
	works    *works
}

// New returns a reconciler. The store is the index of the source.
func New(store Store, source *Source, settings Settings, log *zap.Logger) *Reconciler {
	return &Reconciler{
		store: store, source: source, settings: settings, log: log, spans: registry.NewSpans(settings.Tracer), works: newWorks(settings.Metrics),
	}
}

func (r *Reconciler) newCrawler(options Options, missed func(repository, reference string, err error)) (*crawler, error) {
	c := &crawler{source: r.source, history: r.store, asking: make(chan struct{}, r.settings.Concurrency), missed: missed}
	if options.Storage != "" {
		storage, err := OpenStorage(options.Storage)
		if err != nil {
			return nil, err
		}
		c.storage = storage
	}
	return c, nil
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
