package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/registry"
)

// Bounds of a settler's pass.
const (
	settlePage = 500
	// maxSettleDelay bounds how long an intent that can't be settled rests.
	maxSettleDelay = time.Hour
)

// Intents are the open intents of an index: see [index.Maintainer]. Removals, which
// are not among them, are not settled but carried out.
type Intents interface {
	registry.Marker
	Intents(ctx context.Context, after index.IntentID, limit int) ([]index.Intent, error)
	Settle(ctx context.Context, id index.IntentID, finding index.Finding) error
}

// Settler puts the pushes and deletes whose outcome is unknown to the
// registry, when their deadline is over. One that can't be settled rests,
// longer each time.
type Settler struct {
	store    Intents
	source   *Source
	log      *zap.Logger
	interval time.Duration
	resting  map[index.IntentID]rest
	settled  *prometheus.CounterVec
}

// rest is how long an intent is left alone.
type rest struct {
	until time.Time
	delay time.Duration
	// other says of a tag that it stands for something else.
	other bool
}

// NewSettler returns a settler. Its metrics are registered with metrics unless
// that is nil.
func NewSettler(store Intents, source *Source, interval time.Duration, log *zap.Logger, metrics *prometheus.Registry) *Settler {
	s := &Settler{
		store: store, source: source, log: log, interval: interval, resting: map[index.IntentID]rest{},
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_intents_settled_total", Help: "Intents that were put to the registry in the background, by kind and result: present, absent, or failed.",
		}, []string{"kind", "result"}),
	}
	// Shown before they first count, so that the first is an increase.
	for _, kind := range []index.IntentKind{index.IntentPush, index.IntentDelete, index.IntentImport} {
		for _, result := range []string{"present", "absent", "failed"} {
			s.settled.WithLabelValues(kind.String(), result)
		}
	}
	if metrics != nil {
		metrics.MustRegister(s.settled)
	}
	return s
}

// Run makes a pass at every interval until ctx ends.
func (s *Settler) Run(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		if err := s.Pass(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("intents could not be settled", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Pass puts every intent that is due to the registry once. Its error is one of
// the store: what the registry can't say leaves the intent for a later pass.
func (s *Settler) Pass(ctx context.Context) error {
	pass := &settling{work: newWork("settling", s.log, s.source.now), results: map[string]int{}}
	err := s.pass(ctx, pass)
	pass.end(ctx, err, zap.Int("present", pass.results["present"]), zap.Int("absent", pass.results["absent"]), zap.Int("failed", pass.results["failed"]))
	return err
}

// settling is a pass that may turn out to have something to do.
type settling struct {
	*work
	results map[string]int
}

func (s *Settler) pass(ctx context.Context, pass *settling) error {
	still := map[index.IntentID]rest{}
	for after := index.IntentID(0); ; {
		intents, err := s.store.Intents(ctx, after, settlePage)
		if err != nil {
			return err
		}
		for _, intent := range intents {
			after = intent.ID
			if err := s.one(ctx, intent, still, pass); err != nil {
				return err
			}
		}
		if len(intents) < settlePage {
			s.resting = still
			return ctx.Err()
		}
	}
}

// one settles an intent if it is due. An intent of a request that is still
// under way is not: the client has no answer yet.
func (s *Settler) one(ctx context.Context, intent index.Intent, still map[index.IntentID]rest, pass *settling) error {
	now := s.source.now()
	resting, rests := s.resting[intent.ID]
	if !now.After(intent.Deadline) || rests && now.Before(resting.until) {
		if rests {
			still[intent.ID] = resting
		}
		return nil
	}
	pass.begin()
	result, err := s.settle(ctx, intent)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, index.ErrStale):
		// A later change overtook the answer; the next pass asks anew.
		return nil
	case err != nil:
		resting.delay = min(max(2*resting.delay, s.interval), maxSettleDelay)
		resting.until = now.Add(resting.delay)
		still[intent.ID] = resting
		s.log.Info("intent can't be settled yet", zap.Stringer("kind", intent.Kind), zap.String("repository", intent.Record.Repository),
			zap.Stringer("digest", intent.Record.Digest), zap.Duration("restsForSeconds", resting.delay), zap.Error(err))
		result = "failed"
	}
	pass.results[result]++
	s.settled.WithLabelValues(intent.Kind.String(), result).Inc()
	return nil
}

func (s *Settler) settle(ctx context.Context, intent index.Intent) (result string, err error) {
	mark, err := s.store.Mark(ctx)
	if err != nil {
		return "", err
	}
	at := s.source.now()
	if intent.Kind == index.IntentImport {
		if _, err := s.source.importTag(ctx, intent.Record.Repository, intent.Tag); err != nil {
			return "", err
		}
		return "present", s.store.Settle(ctx, intent.ID, index.Finding{Mark: mark, At: at, Present: true})
	}
	present, err := s.source.has(ctx, index.Key{Repository: intent.Record.Repository, Digest: intent.Record.Digest})
	if err != nil {
		return "", err
	}
	result = map[bool]string{true: "present", false: "absent"}[present]
	return result, s.store.Settle(ctx, intent.ID, index.Finding{Mark: mark, At: at, Present: present})
}
