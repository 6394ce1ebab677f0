package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// patrolStep is the least time between two steps of a patrol, and the time
// that it rests after a failure.
const patrolStep = time.Second

// Patrol goes slowly round the index for ever and drops the records of
// manifests that the registry was twice found not to have. What the registry
// has and the index lacks is not its matter: referrers tags, pulls and events
// bring that, and a rebuild.
type Patrol struct {
	*Reconciler
	checked prometheus.Counter
	dropped prometheus.Counter
	ended   prometheus.Gauge
}

// NewPatrol returns a patrol. Its metrics are registered with metrics unless
// that is nil.
func NewPatrol(store Store, source *Source, settings Settings, log *zap.Logger, metrics *prometheus.Registry) *Patrol {
	p := &Patrol{
		Reconciler: New(store, source, settings, log),
		checked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_patrol_records_total", Help: "Records that the background verification has put to the registry.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_patrol_dropped_total", Help: "Records that the background verification has dropped.",
		}),
		ended: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_patrol_last_round_timestamp_seconds", Help: "When the background verification last was through with all records, and rested after it; 0 for never.",
		}),
	}
	if metrics != nil {
		metrics.MustRegister(p.checked, p.dropped, p.ended)
	}
	return p
}

// Run goes round until ctx ends. A round takes [Settings].VerifyInterval.
func (p *Patrol) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.round(ctx)
		if err == nil {
			p.ended.Set(float64(p.source.now().Unix()))
		}
		if err != nil && ctx.Err() == nil {
			p.log.Warn("the background verification rests", zap.Error(err))
			_ = p.wait(ctx, p.source.now().Add(p.settings.VerifyInterval/100+patrolStep))
		}
	}
}

// round goes over all records once, in even steps.
func (p *Patrol) round(ctx context.Context) (err error) {
	start := p.source.now()
	stats, err := p.store.Stats(ctx)
	if err != nil {
		return err
	}
	done, round := int64(0), newWork("round of the background verification", p.log, p.source.now)
	defer func() { round.end(ctx, err, zap.Int64("records", done)) }()
	asked := &presence{
		Reconciler: p.Reconciler,
		present:    func(context.Context, index.Mark, index.Record) error { return nil },
		missing:    p.drop,
		missed:     func(_ context.Context, _ index.Record, cause error) error { return cause },
	}
	page := pageFor(stats.Records, p.settings.VerifyInterval)
	for after := (index.Key{}); ; {
		records, err := p.store.Records(ctx, after, page)
		if err != nil {
			return err
		}
		if err := errors.Join(asked.ask(ctx, records), asked.flush(ctx)); err != nil {
			return err
		}
		if len(records) > 0 {
			round.begin(zap.Int64("records", stats.Records))
		}
		p.checked.Add(float64(len(records)))
		done += int64(len(records))
		if len(records) < page {
			return p.wait(ctx, start.Add(p.settings.VerifyInterval))
		}
		after = records[len(records)-1].Key()
		share := float64(done) / float64(max(stats.Records, done))
		if err := p.wait(ctx, start.Add(time.Duration(share*float64(p.settings.VerifyInterval)))); err != nil {
			return err
		}
	}
}

// pageFor is how many records make a step, so that steps are not closer than
// patrolStep.
func pageFor(records int64, interval time.Duration) int {
	perStep := float64(records) * float64(patrolStep) / float64(interval)
	return int(min(max(perStep, 1), recordsPage))
}

func (p *Patrol) drop(ctx context.Context, mark index.Mark, record index.Record) error {
	err := p.store.Forget(ctx, mark, record.Repository, record.Digest)
	switch {
	case errors.Is(err, index.ErrStale):
		return nil
	case err != nil:
		return err
	}
	p.dropped.Inc()
	p.log.Info("record dropped: the registry has not got the manifest", zap.String("repository", record.Repository),
		zap.Stringer("digest", record.Digest), zap.Stringer("subject", record.Subject()))
	return nil
}
