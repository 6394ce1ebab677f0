package registry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/index"
)

// metrics are those of what is asked of the registry, and done there. None has a
// repository or a caller among its labels: their number is not bounded.
type metrics struct {
	outcomes   *prometheus.CounterVec
	gate       *prometheus.CounterVec
	events     *prometheus.CounterVec
	hiddenTags *prometheus.CounterVec
}

// newMetrics registers the metrics unless registry is nil, with how many permissions
// are remembered.
func newMetrics(registry *prometheus.Registry, remembered *permissions) *metrics {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_intents_total",
			Help: "Pushes and deletes of manifests that the index follows, by kind and what became of them upstream: carried out, refused, or unknown.",
		}, []string{"kind", "outcome"}),
		gate: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_permission_checks_total",
			Help: "Permission checks before a listing, by result: remembered, granted, hidden, or failed.",
		}, []string{"result"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_events_total",
			Help: "Events that the registry told of, by action and result: recorded, known, imported, forgotten, present, gone, unreadable, ignored, invalid, or failed.",
		}, []string{"action", "result"}),
		hiddenTags: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_hidden_tags_total",
			Help: "Referrers that were pushed by digest, by whether they were given a hidden tag: given, or refused by the registry.",
		}, []string{"result"}),
	}
	m.showZeroes()
	if registry != nil {
		registry.MustRegister(m.outcomes, m.gate, m.events, m.hiddenTags, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "backref_cache_entries", Help: "Entries that a cache holds.", ConstLabels: prometheus.Labels{"cache": "permissions"},
		}, func() float64 { return float64(remembered.number()) }))
	}
	return m
}

// showZeroes has counters shown before they first count: the step from nothing to
// 1 is no increase to Prometheus, and what an alert waits for is often rare.
func (m *metrics) showZeroes() {
	for _, result := range []string{"remembered", "granted", "hidden", "failed"} {
		m.gate.WithLabelValues(result)
	}
	for _, kind := range []index.IntentKind{index.IntentPush, index.IntentDelete} {
		for _, outcome := range []string{"carried out", "refused", "unknown"} {
			m.outcomes.WithLabelValues(kind.String(), outcome)
		}
	}
	for _, action := range []string{actionPush, actionMount, actionDelete, actionOther} {
		m.events.WithLabelValues(action, eventFailed)
	}
	for _, result := range []string{"given", "refused"} {
		m.hiddenTags.WithLabelValues(result)
	}
}
