package wrap

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of requests. None has a repository or a client among its
// labels: their number is not bounded. It may be used concurrently.
type Metrics struct {
	inFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	received  *prometheus.CounterVec
	sent      *prometheus.CounterVec
	limited   *prometheus.CounterVec
	// cut is the one of limited that counts slow clients.
	cut prometheus.Counter

	// known are the series of the kinds of requests that there were: to look them
	// up by their labels takes longer.
	mutex sync.RWMutex
	known map[kind]*series
}

// kind is what the requests of some series have in common.
type kind struct{ endpoint, method string }

// series are those of one kind of requests.
type series struct {
	duration       prometheus.Observer
	received, sent prometheus.Counter
	// statuses has a counter for each status that was answered; whoever reads or
	// writes it has the mutex.
	statuses map[int]prometheus.Counter
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
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900},

			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"endpoint", "method"}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_request_body_bytes_total",
			Help: "Bytes of the bodies of requests that were read, by endpoint family.",
		}, []string{"endpoint"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_response_body_bytes_total",
			Help: "Bytes of the bodies of responses that were written, by endpoint family.",
		}, []string{"endpoint"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_limited_total",
			Help: "Requests that reached a limit, by its configuration key: refused, cut off (limits.transferInterval), or given less (limits.pageSize).",
		}, []string{"limit"}),
	}
	m.known = map[kind]*series{}
	m.cut = m.limited.WithLabelValues(limitTransferInterval)
	for _, limit := range append(limits, limitRate, limitClientRate, limitConcurrency, limitClientConcurrency, limitPageSize) {
		m.limited.WithLabelValues(limit)
	}
	if registry != nil {
		registry.MustRegister(m.inFlight, m.requests, m.durations, m.received, m.sent, m.limited)
	}
	return m
}

// Limited counts a request that reached a limit, named by its configuration
// key.
func (m *Metrics) Limited(limit string) {
	m.limited.WithLabelValues(limit).Inc()
}

// request counts a request that is over, with the bytes of its body that were read
// and those of its response.
func (m *Metrics) request(endpoint, method string, status int, took time.Duration, received, sent int64) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	of, answered := m.of(kind{endpoint, method}, status)
	answered.Inc()
	of.duration.Observe(took.Seconds())
	if received > 0 {
		of.received.Add(float64(received))
	}
	of.sent.Add(float64(sent))
}

// of returns the series of a kind of requests, and the counter of a status.
func (m *Metrics) of(k kind, status int) (*series, prometheus.Counter) {
	m.mutex.RLock()
	found := m.known[k]
	if found != nil {
		if answered := found.statuses[status]; answered != nil {
			m.mutex.RUnlock()
			return found, answered
		}
	}
	m.mutex.RUnlock()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if found = m.known[k]; found == nil {
		found = &series{
			duration: m.durations.WithLabelValues(k.endpoint, k.method), statuses: map[int]prometheus.Counter{},
			received: m.received.WithLabelValues(k.endpoint), sent: m.sent.WithLabelValues(k.endpoint),
		}
		m.known[k] = found
	}
	answered := m.requests.WithLabelValues(k.endpoint, k.method, strconv.Itoa(status))
	found.statuses[status] = answered
	return found, answered
}
