package reconcile

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// retentionMetrics are the metrics of runs of retention. They may be used
// concurrently; nil ones count nothing.
type retentionMetrics struct {
	running, succeeded, duration prometheus.Gauge

	decisions *prometheus.GaugeVec
	runs      *prometheus.CounterVec

	deleted, failures prometheus.Counter
}

// The results of a run, as the metrics name them.
const (
	resultSuccess = "success"
	resultFailure = "failure"
	resultStopped = "stopped"
)

func newRetentionMetrics(registry *prometheus.Registry) *retentionMetrics {
	if registry == nil {
		return nil
	}
	m := &retentionMetrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_retention_running", Help: "Whether a run of retention is under way in this process: 1 or 0.",
		}),
		succeeded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_retention_last_success_timestamp_seconds",
			Help: "When a run of retention last ended well in this process; 0 for never. Dry runs don't count.",
		}),
		duration: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_retention_last_duration_seconds", Help: "How long the run of retention took that ended last in this process. Dry runs don't count.",
		}),
		decisions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "backref_retention_decisions", Help: "Referrers that the last run of retention decided over, by decision: keep or remove. Dry runs count too.",
		}, []string{"decision"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_retention_runs_total",
			Help: "Runs of retention that ended, by result: success, failure where they failed or could not read or delete all, or stopped. Dry runs don't count.",
		}, []string{"result"}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_retention_deleted_total", Help: "Referrers that runs of retention have deleted.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_retention_failures_total", Help: "Referrers that runs of retention could not delete.",
		}),
	}
	for _, decision := range []string{RetainedKept, RetainedGoing} {
		m.decisions.WithLabelValues(decision)
	}
	for _, result := range []string{resultSuccess, resultFailure, resultStopped} {
		m.runs.WithLabelValues(result)
	}
	registry.MustRegister(m.running, m.succeeded, m.duration, m.decisions, m.runs, m.deleted, m.failures)
	return m
}

func (m *retentionMetrics) begin() {
	if m != nil {
		m.running.Set(1)
	}
}

// end counts a run that ended. failed is why; nil where it went well.
func (m *retentionMetrics) end(run *retaining, failed error) {
	if m == nil {
		return
	}
	m.running.Set(0)
	m.decisions.WithLabelValues(RetainedKept).Set(float64(run.report.Kept))
	m.decisions.WithLabelValues(RetainedGoing).Set(float64(run.report.Going))
	if run.options.DryRun {
		return
	}
	m.duration.Set(run.report.Seconds)
	switch {
	case failed == nil:
		m.runs.WithLabelValues(resultSuccess).Inc()
		m.succeeded.Set(float64(run.Source.now().Unix()))
	case errors.Is(failed, ErrStopped), errors.Is(failed, ErrRulesChanged), errors.Is(failed, context.Canceled):
		m.runs.WithLabelValues(resultStopped).Inc()
	default:
		m.runs.WithLabelValues(resultFailure).Inc()
	}
}

func (m *retentionMetrics) removed() {
	if m != nil {
		m.deleted.Inc()
	}
}

func (m *retentionMetrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}
