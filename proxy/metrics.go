package proxy

import (
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
			"limits.manifestSize", "limits.referrerAnnotations", "limits.tagEntries", "limits.tagListSize", "limits.tagListPages", "limits.catalogTags",
			"limits.listEntries"),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_cache_total",
			Help: "Requests that a cache could have answered, by cache and result: hit or miss.",
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

// showZeroes has counters shown before they first count: the step from nothing to
// 1 is no increase to Prometheus, and what an alert waits for is often rare.
func (m *metrics) showZeroes() {
	for _, cache := range []string{"pages", "manifests"} {
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
