package wrap

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of requests. None has a repository or a client among its
// labels: their number is not bounded. It may be used concurrently.
type Metrics struct {
	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	limited   *prometheus.CounterVec
	// cut is the one of limited that counts slow clients.
	cut prometheus.Counter
}

// The configuration keys of the limits that the wrappers keep, by which an
// answer and the metrics name them.
const (
	limitRate              = "limits.rate"
	limitClientRate        = "limits.clientRate"
	limitConcurrency       = "limits.concurrency"
	limitClientConcurrency = "limits.clientConcurrency"
	limitPageSize          = "limits.pageSize"
	limitTransferInterval  = "limits.transferInterval"
)

// NewMetrics registers the metrics with registry unless that is nil. The
// limits are the configuration keys of those that are kept elsewhere: counters
// are shown before they first count, since the step from nothing to 1 is no
// increase to Prometheus.
func NewMetrics(registry *prometheus.Registry, limits ...string) *Metrics {
	m := &Metrics{
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
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_limited_total",
			Help: "Requests that reached a limit, by its configuration key: refused, cut off (limits.transferInterval), or given less (limits.pageSize).",
		}, []string{"limit"}),
	}
	m.cut = m.limited.WithLabelValues(limitTransferInterval)
	for _, limit := range append(limits, limitRate, limitClientRate, limitConcurrency, limitClientConcurrency, limitPageSize) {
		m.limited.WithLabelValues(limit)
	}
	if registry != nil {
		registry.MustRegister(m.inFlight, m.requests, m.durations, m.limited)
	}
	return m
}

// Limited counts a request that reached a limit, named by its configuration
// key.
func (m *Metrics) Limited(limit string) {
	m.limited.WithLabelValues(limit).Inc()
}

func (m *Metrics) request(endpoint, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(endpoint, method, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(endpoint, method).Observe(took.Seconds())
}
