package proxy

import (
	"sync/atomic"

	"github.com/maypok86/otter/v2/stats"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/proxy/wrap"
)

// metrics are those of the proxy. None has a repository or a client among its
// labels: their number is not bounded.
type metrics struct {
	// requests are those of all requests alike.
	requests *wrap.Metrics
	cache    *prometheus.CounterVec
	signIns  *prometheus.CounterVec
}

// newMetrics registers the metrics with registry unless that is nil.
func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		requests: wrap.NewMetrics(registry,
			"limits.manifestSize", "limits.referrerAnnotations", "limits.tagEntries", "limits.tagListSize", "limits.tagListPages", "limits.catalogTags", "limits.coverageImages",
			"limits.listEntries"),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_cache_requests_total",
			Help: "Requests that a cache could have answered, by cache (permissions are counted by backref_permission_checks_total) and result: hit or miss.",
		}, []string{"cache", "result"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_sign_ins_total",
			Help: "Requests by how their client signed in (auth.mode service): accepted, anonymous, refused, or failed where that could not be found out.",
		}, []string{"result"}),
	}
	m.showZeroes()
	if registry != nil {
		registry.MustRegister(m.cache, m.signIns)
	}
	return m
}

// The caches, as the metrics name them.
const (
	cachePages     = "pages"
	cacheManifests = "manifests"
)

// evictions counts what a cache dropped to make room.
type evictions struct {
	stats.NoopRecorder
	number atomic.Uint64
}

// RecordEviction implements [stats.Recorder].
func (e *evictions) RecordEviction(uint32) { e.number.Add(1) }

// measured is a cache whose size can be told.
type measured interface {
	EstimatedSize() int
	WeightedSize() uint64
}

// showCache registers the size of a cache unless registry is nil; holds is nil for
// one that is off.
func showCache(registry *prometheus.Registry, cache string, holds measured, dropped *evictions) {
	if registry == nil {
		return
	}
	which := prometheus.Labels{"cache": cache}
	size := func(of func(measured) float64) func() float64 {
		return func() float64 {
			if holds == nil {
				return 0
			}
			return of(holds)
		}
	}
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "backref_cache_entries", Help: "Entries that a cache holds.", ConstLabels: which,
		}, size(func(c measured) float64 { return float64(c.EstimatedSize()) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "backref_cache_bytes", Help: "Bytes that a cache holds, of those that its configuration key bounds.", ConstLabels: which,
		}, size(func(c measured) float64 { return float64(c.WeightedSize()) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "backref_cache_evictions_total", Help: "Entries that a cache dropped to make room for others.", ConstLabels: which,
		}, func() float64 { return float64(dropped.number.Load()) }),
	)
}

// showZeroes has counters shown before they first count: the step from nothing to
// 1 is no increase to Prometheus, and what an alert waits for is often rare.
func (m *metrics) showZeroes() {
	for _, result := range []string{signInAccepted, signInAnonymous, signInRefused, signInFailed} {
		m.signIns.WithLabelValues(result)
	}
	for _, cache := range []string{cachePages, cacheManifests} {
		for _, result := range []string{"hit", "miss"} {
			m.cache.WithLabelValues(cache, result)
		}
	}
}

// cached counts whether a cache had the answer.
func (m *metrics) cached(cache string, hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	m.cache.WithLabelValues(cache, result).Inc()
}
