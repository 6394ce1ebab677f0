package reconcile

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// OpenRemovals are the removals of an index: see [index.Remover].
type OpenRemovals interface {
	registry.RemovalStore
	Removals(ctx context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error)
}

// RemovalOptions are what [Removals] are made of. All are required but Metrics.
type RemovalOptions struct {
	Store  OpenRemovals
	Source *Source
	// Interval is how often they are looked at.
	Interval time.Duration
	// RequestTime is how long a request may take effect in the registry after it was
	// begun. A removal is left to who decided it for so long.
	RequestTime time.Duration
	// Forget is told of each manifest before and after it is deleted.
	Forget func(repository string, manifest digest.Digest)
	// Audit is told of what was deleted. It must not wait.
	Audit   func(ctx context.Context, event registry.AuditEvent)
	Log     *zap.Logger
	Metrics *prometheus.Registry
}

// Removals carries out what was decided to be deleted and isn't yet, because a
// process ended, or the registry could not be reached. One that can't be carried
// out rests, longer each time.
type Removals struct {
	RemovalOptions
	resting map[index.IntentID]rest
	ended   *prometheus.CounterVec
}

// The results of a removal, as metrics have them.
const (
	removalDone    = "deleted"
	removalRefused = "refused"
	removalFailed  = "failed"
)

// NewRemovals returns what carries out removals.
func NewRemovals(o RemovalOptions) *Removals {
	r := &Removals{
		RemovalOptions: o, resting: map[index.IntentID]rest{},
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_removals_total",
			Help: "Manifests that were to be deleted and were put to the registry in the background, by result: deleted, refused for good, or failed and to be tried again.",
		}, []string{"result"}),
	}
	for _, result := range []string{removalDone, removalRefused, removalFailed} {
		r.ended.WithLabelValues(result)
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(r.ended)
	}
	return r
}

// Run makes a pass at every interval until ctx ends.
func (r *Removals) Run(ctx context.Context) {
	ticker := time.NewTicker(r.Interval)
	defer ticker.Stop()
	for {
		if err := r.Pass(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("removals could not be carried out", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Pass puts every removal that is due to the registry once. Its error is one of the
// store.
func (r *Removals) Pass(ctx context.Context) error {
	still := map[index.IntentID]rest{}
	for after := index.IntentID(0); ; {
		open, err := r.Store.Removals(ctx, "", after, settlePage)
		if err != nil {
			return err
		}
		for _, removal := range open {
			after = removal.ID
			r.one(ctx, removal, still)
		}
		if len(open) < settlePage || ctx.Err() != nil {
			r.resting = still
			return ctx.Err()
		}
	}
}

// one carries out a removal if it is due.
func (r *Removals) one(ctx context.Context, removal index.Intent, still map[index.IntentID]rest) {
	now := r.Source.now()
	resting, rests := r.resting[removal.ID]
	if ctx.Err() != nil || !now.After(removal.Deadline.Add(r.RequestTime)) || rests && now.Before(resting.until) {
		if rests {
			still[removal.ID] = resting
		}
		return
	}
	repository, manifest := removal.Record.Repository, removal.Record.Digest
	r.Forget(repository, manifest)
	came := registry.CarryingOut{Own: r.Source.ownTags(), Store: r.Store, RequestTime: r.RequestTime, Now: r.Source.now}.Do(context.WithoutCancel(ctx), removal)
	r.Forget(repository, manifest)
	fields := []zap.Field{zap.String("repository", repository), zap.Stringer("digest", manifest)}
	switch {
	case came.Err != nil:
		resting.delay = min(max(2*resting.delay, r.Interval), maxSettleDelay)
		resting.until = now.Add(resting.delay)
		still[removal.ID] = resting
		r.ended.WithLabelValues(removalFailed).Inc()
		r.Log.Warn("what is to be deleted can't be deleted yet", append(fields, zap.Duration("restsForSeconds", resting.delay), zap.Error(came.Err))...)
	case came.Refusal != nil:
		r.ended.WithLabelValues(removalRefused).Inc()
		r.Log.Error("what was to be deleted stays, and is listed again: the registry refuses to delete it", append(fields, zap.Error(came.Refusal))...)
	default:
		r.ended.WithLabelValues(removalDone).Inc()
		r.Log.Info("what was to be deleted before is deleted", fields...)
		r.Audit(ctx, registry.AuditEvent{
			Outcome: registry.AuditDeleted, Action: "delete", Repository: repository, Digest: manifest, Reason: "decided before, and carried out late",
		})
	}
}
