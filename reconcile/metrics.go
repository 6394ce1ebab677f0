package reconcile

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// works are the metrics of rebuilds and verifications. They may be used
// concurrently; nil ones count nothing.
type works struct {
	running, repositories, done, manifests, succeeded *prometheus.GaugeVec

	runs        *prometheus.CounterVec
	differences *prometheus.GaugeVec
}

// The works, as the metrics name them.
const (
	workRebuild = "rebuild"
	workVerify  = "verify"
)

// newWorks registers the metrics with registry; nil where that is.
func newWorks(registry *prometheus.Registry) *works {
	if registry == nil {
		return nil
	}
	gauge := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	}
	w := &works{
		running: gauge("backref_maintenance_running",
			"Whether a rebuild or verification of the index runs in this process: 1 or 0.", "work"),
		repositories: gauge("backref_maintenance_repositories",
			"Repositories that the rebuild or verification that runs, or ran last, has to read; 0 before it knows.", "work"),
		done: gauge("backref_maintenance_repositories_done",
			"Repositories that it has read.", "work"),
		manifests: gauge("backref_maintenance_manifests",
			"Manifests that the rebuild or verification that runs, or ran last, has read in its present phase.", "work"),
		succeeded: gauge("backref_maintenance_last_success_timestamp_seconds",
			"When a rebuild or verification last ended well in this process, with or without differences; 0 for never.", "work"),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_maintenance_runs_total",
			Help: "Rebuilds and verifications that ended, by result: success, or failure where they failed, were broken off or could not read everything.",
		}, []string{"work", "result"}),
		differences: gauge("backref_verify_differences",
			"Differences that the verification that runs, or ran last, has found, by kind: missing, unknown, or wrong; those that it mended too.", "kind"),
	}
	for _, work := range []string{workRebuild, workVerify} {
		for _, of := range []*prometheus.GaugeVec{w.running, w.repositories, w.done, w.manifests, w.succeeded} {
			of.WithLabelValues(work)
		}
		for _, result := range []string{"success", "failure"} {
			w.runs.WithLabelValues(work, result)
		}
	}
	w.found(Verification{})
	registry.MustRegister(w.running, w.repositories, w.done, w.manifests, w.succeeded, w.runs, w.differences)
	return w
}

// begin counts a work that runs until end is called with its outcome.
func (w *works) begin(work string, now func() time.Time) (end func(err error)) {
	if w == nil {
		return func(error) {}
	}
	w.running.WithLabelValues(work).Set(1)
	w.progress(work, Progress{})
	return func(err error) {
		w.running.WithLabelValues(work).Set(0)
		if err != nil {
			w.runs.WithLabelValues(work, "failure").Inc()
			return
		}
		w.runs.WithLabelValues(work, "success").Inc()
		w.succeeded.WithLabelValues(work).Set(float64(now().Unix()))
	}
}

// progress shows how far a work is.
func (w *works) progress(work string, p Progress) {
	if w == nil {
		return
	}
	w.repositories.WithLabelValues(work).Set(float64(p.RepositoriesTotal))
	w.done.WithLabelValues(work).Set(float64(p.Repositories))
	w.manifests.WithLabelValues(work).Set(float64(p.Manifests))
}

// found shows the differences of a verification.
func (w *works) found(v Verification) {
	if w == nil {
		return
	}
	w.differences.WithLabelValues("missing").Set(float64(v.Missing))
	w.differences.WithLabelValues("unknown").Set(float64(v.Unknown))
	w.differences.WithLabelValues("wrong").Set(float64(v.Wrong))
}
