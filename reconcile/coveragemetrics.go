package reconcile

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/coverage"
)

// coverageMetrics show how images fare. They are used by one goroutine at a time.
type coverageMetrics struct {
	images, succeeded *prometheus.GaugeVec
	// shown are the rules that have series.
	shown map[string]bool
}

func newCoverageMetrics(registry *prometheus.Registry) *coverageMetrics {
	m := &coverageMetrics{
		images: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "backref_coverage_images",
			Help: "Images of the repositories of a rule of coverage.rules, by requirement and state: covered, unverified, outdated, expired or missing. Shown by the process that counts.",
		}, []string{"rule", "requirement", "state"}),
		succeeded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "backref_coverage_last_success_timestamp_seconds",
			Help: "When the images of a rule of coverage.rules were last counted in whole; 0 for never. Shown by the process that counts.",
		}, []string{"rule"}),
		shown: map[string]bool{},
	}
	if registry != nil {
		registry.MustRegister(m.images, m.succeeded)
	}
	return m
}

// keep drops what is shown of other rules than these, and shows of each that it was not
// counted yet.
func (m *coverageMetrics) keep(rules []CoverageRule) {
	for name := range m.shown {
		if !slices.ContainsFunc(rules, func(rule CoverageRule) bool { return rule.Name == name }) {
			m.images.DeletePartialMatch(prometheus.Labels{"rule": name})
			m.succeeded.DeleteLabelValues(name)
			delete(m.shown, name)
		}
	}
	for _, rule := range rules {
		if !m.shown[rule.Name] {
			m.succeeded.WithLabelValues(rule.Name).Set(0)
			m.shown[rule.Name] = true
		}
	}
}

// set shows the figures of a rule, and none of requirements that it had before.
func (m *coverageMetrics) set(rule string, summary coverage.Summary, now time.Time) {
	m.images.DeletePartialMatch(prometheus.Labels{"rule": rule})
	for _, count := range summary.Requirements {
		for _, state := range coverage.States() {
			m.images.WithLabelValues(rule, count.Requirement, string(state)).Set(float64(count.Of(state)))
		}
	}
	m.succeeded.WithLabelValues(rule).Set(float64(now.Unix()))
}
