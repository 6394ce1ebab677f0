package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

const (
	// mirrorInterval is how often the outbox is looked at.
	mirrorInterval = 500 * time.Millisecond
	mirrorPage     = 100
	// Bounds of the time that a tag rests which could not be written.
	minMirrorDelay = 2 * time.Second
	maxMirrorDelay = 10 * time.Minute
	// otherTagRest is how long a tag rests that stands for something else: only
	// somebody who deletes it changes that.
	otherTagRest = time.Hour
)

// Listings are the listings of an index, and which of them have changed.
type Listings interface {
	index.Outbox
	// Referrers is that of [index.Store].
	Referrers(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error)
}

// MirrorOptions are what a mirror is made of. All are required but Metrics.
type MirrorOptions struct {
	Store  Listings
	Source *Source
	// Own keeps all other writers of this process, and owners in others, from a
	// tag until it is released. The context that it returns ends with ctx, and
	// where the tag is lost.
	Own func(ctx context.Context, repository, tag string) (held context.Context, release func(), err error)
	// HiddenTags gives each referrer a tag of its own beside: see
	// [oci.HiddenTag].
	HiddenTags bool
	// Concurrency is the most tags that are written at once.
	Concurrency int
	Log         *zap.Logger
	// Metrics is where the mirror registers its own; nil for nowhere.
	Metrics *prometheus.Registry
}

// Mirror keeps the referrers tags upstream equal to the listings, so that
// clients that bypass backref see the referrers and garbage collection keeps
// them. It is the one writer of these tags beside such clients; what they
// have added is taken over before a tag is written.
type Mirror struct {
	MirrorOptions
	waiting prometheus.Gauge
	others  prometheus.Gauge
	written *prometheus.CounterVec

	mutex   sync.Mutex
	resting map[tagName]rest
}

type tagName struct {
	repository, tag string
}

// NewMirror returns a mirror.
func NewMirror(o MirrorOptions) *Mirror {
	m := &Mirror{
		MirrorOptions: o, resting: map[tagName]rest{},
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_mirror_resting", Help: "Referrers tags that could not be written and are tried again later.",
		}),
		others: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_mirror_other_tags", Help: "Tags of the form of a referrers tag that stand for something else, so that the mirror leaves them alone.",
		}),
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_mirror_tags_total", Help: "Referrers tags looked at for the mirror, by result: written, unchanged, other, or failed.",
		}, []string{"result"}),
	}
	// Shown before they first count, so that the first is an increase.
	for _, result := range []string{"written", "unchanged", "other", "failed"} {
		m.written.WithLabelValues(result)
	}
	if o.Metrics != nil {
		o.Metrics.MustRegister(m.waiting, m.others, m.written)
	}
	return m
}

// Run turns the outbox on, which enters all listings where it was off, and
// writes what has changed until ctx ends.
func (m *Mirror) Run(ctx context.Context) {
	ticker := time.NewTicker(mirrorInterval)
	defer ticker.Stop()
	on := false
	for {
		if !on {
			err := m.Store.SetOutbox(ctx, true)
			if on = err == nil; !on && ctx.Err() == nil {
				m.Log.Error("the mirror of referrers tags can't start", zap.Error(err))
			}
		} else if err := m.Pass(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("the outbox of referrers tags can't be read", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Pass writes every tag whose listing has changed and that does not rest. Its
// error is one of the store.
func (m *Mirror) Pass(ctx context.Context) error {
	pass := &mirroring{work: newWork("mirror pass", m.Log, m.Source.now), results: map[string]int{}}
	err := m.pass(ctx, pass)
	pass.end(ctx, err, zap.Int("written", pass.results["written"]), zap.Int("unchanged", pass.results["unchanged"]),
		zap.Int("other", pass.results["other"]), zap.Int("failed", pass.results["failed"]))
	return err
}

// mirroring is a pass that may turn out to have something to do.
type mirroring struct {
	*work
	mutex   sync.Mutex
	results map[string]int
}

// count counts a tag by what became of it.
func (p *mirroring) count(result string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.results[result]++
}

func (m *Mirror) pass(ctx context.Context, pass *mirroring) error {
	for after := uint64(0); ; {
		changes, err := m.Store.Changed(ctx, after, mirrorPage)
		if err != nil {
			return err
		}
		// An entry is about one listing, so no tag is written twice at once.
		group, within := errgroup.WithContext(ctx)
		group.SetLimit(m.Concurrency)
		for _, change := range changes {
			after = change.Number
			group.Go(func() error { return m.one(within, change, pass) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if len(changes) < mirrorPage {
			m.count()
			return nil
		}
	}
}

// one writes the tag of a listing, or lets it rest.
func (m *Mirror) one(ctx context.Context, change index.Change, pass *mirroring) error {
	name := tagName{change.Repository, oci.ReferrersTag(change.Subject)}
	now := m.Source.now()
	if now.Before(m.rest(name).until) {
		return nil
	}
	pass.begin()
	result, err := m.write(ctx, change.Repository, change.Subject)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, registry.ErrNotOurs):
		result = "other"
	case err != nil:
		result = "failed"
	}
	m.written.WithLabelValues(result).Inc()
	pass.count(result)
	if result == "other" {
		m.leave(change, now, err)
		return nil
	}
	if err != nil {
		m.Log.Warn("referrers tag can't be written yet", zap.String("repository", name.repository), zap.String("tag", name.tag),
			zap.Stringer("subject", change.Subject), zap.Duration("restsForSeconds", m.letRest(name, now)), zap.Error(err))
		return nil
	}
	m.mutex.Lock()
	delete(m.resting, name)
	m.mutex.Unlock()
	return m.Store.Written(ctx, change)
}

// leave lets a tag rest that stands for something else, and says so the first
// time.
func (m *Mirror) leave(change index.Change, now time.Time, reason error) {
	name := tagName{change.Repository, oci.ReferrersTag(change.Subject)}
	m.mutex.Lock()
	told := m.resting[name].other
	m.resting[name] = rest{until: now.Add(otherTagRest), other: true}
	m.mutex.Unlock()
	if told {
		return
	}
	m.Log.Warn("the mirror leaves a tag alone that has the form of a referrers tag: clients that know only these tags don't see the referrers "+
		"past backref; to have it written, give what it stands for another tag and delete this one",
		zap.String("repository", name.repository), zap.String("tag", name.tag), zap.Stringer("subject", change.Subject), zap.Error(reason))
}

// count tells how many tags rest.
func (m *Mirror) count() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	others := 0
	for _, resting := range m.resting {
		if resting.other {
			others++
		}
	}
	m.others.Set(float64(others))
	m.waiting.Set(float64(len(m.resting) - others))
}

func (m *Mirror) rest(name tagName) rest {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.resting[name]
}

// letRest leaves a tag alone for a time, longer each time.
func (m *Mirror) letRest(name tagName, now time.Time) time.Duration {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	resting := m.resting[name]
	resting.other = false
	resting.delay = min(max(2*resting.delay, minMirrorDelay), maxMirrorDelay)
	resting.until = now.Add(resting.delay)
	m.resting[name] = resting
	return resting.delay
}
