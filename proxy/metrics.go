package proxy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the proxy. None has a repository or a client among its
// labels: their number is not bounded.
type metrics struct {
	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	cache     *prometheus.CounterVec
	limited   *prometheus.CounterVec
	// cut is the one of limited that counts slow clients.
	cut     prometheus.Counter
	signIns *prometheus.CounterVec
}

// newMetrics registers the metrics with registry unless that is nil.
func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_requests_in_flight",
			Help: "Requests that are being served.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_requests_total",
			Help: "Requests served, by endpoint family, method and status.",
		}, []string{"endpoint", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "backref_request_duration_seconds",
			Help:    "Time from a request's header to the end of its response.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"endpoint", "method"}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_cache_total",
			Help: "Requests that a cache could have answered, by cache and result: hit or miss.",
		}, []string{"cache", "result"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_sign_ins_total",
			Help: "Requests by how their client signed in (auth.mode service): accepted, anonymous, refused, or failed where that could not be found out.",
		}, []string{"result"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_limited_total",
			Help: "Requests that reached a limit, by its configuration key: refused, cut off (limits.transferInterval), or given less (limits.pageSize).",
		}, []string{"limit"}),
	}
	m.cut = m.limited.WithLabelValues("limits.transferInterval")
	for _, limit := range []string{
		"limits.rate", "limits.clientRate", "limits.concurrency", "limits.clientConcurrency",
		"limits.manifestSize", "limits.referrerAnnotations", "limits.pageSize", "limits.tagEntries", "limits.tagListSize", "limits.tagListPages",
		"limits.catalogTags",
	} {
		m.limited.WithLabelValues(limit)
	}
	m.showZeroes()
	if registry != nil {
		registry.MustRegister(m.inFlight, m.requests, m.durations, m.cache, m.limited, m.signIns)
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

func (m *metrics) request(e endpoint, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(e.String(), method, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(e.String(), method).Observe(took.Seconds())
}
