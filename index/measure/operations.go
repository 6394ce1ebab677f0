package measure

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/index"
)

// Metrics are those of the calls of a store and of what they wait for. None has a
// repository among its labels. They may be used concurrently.
type Metrics struct {
	operations
	batches prometheus.Histogram
	failed  prometheus.Counter
}

// operation is one method of a store.
type operation struct {
	duration prometheus.Observer
	errors   prometheus.Counter
}

// operations are all of them.
type operations struct {
	get, referrers, manifests, parents, subjects, made, mark, unsettled operation

	setUnheld, setMade, observe, begin, confirm, confirmLater, cancel, settle operation

	remove, removals, removing operation

	intents, records, forget, correct, stats, setOutbox, changed, written operation

	beginRebuild, fill, unfilled, finishRebuild, abandonRebuild operation

	setNews, arrivals, latest, countNews, trimNews operation

	writeJournal, readJournal, dropJournal, trimJournal operation
}

// named returns each operation with its name.
func (m *operations) named() map[string]*operation {
	return map[string]*operation{
		"get":             &m.get,
		"referrers":       &m.referrers,
		"manifests":       &m.manifests,
		"parents":         &m.parents,
		"subjects":        &m.subjects,
		"made":            &m.made,
		"mark":            &m.mark,
		"unsettled":       &m.unsettled,
		"set_unheld":      &m.setUnheld,
		"set_made":        &m.setMade,
		"observe":         &m.observe,
		"begin":           &m.begin,
		"confirm":         &m.confirm,
		"confirm_later":   &m.confirmLater,
		"cancel":          &m.cancel,
		"settle":          &m.settle,
		"remove":          &m.remove,
		"removals":        &m.removals,
		"removing":        &m.removing,
		"intents":         &m.intents,
		"records":         &m.records,
		"forget":          &m.forget,
		"correct":         &m.correct,
		"stats":           &m.stats,
		"begin_rebuild":   &m.beginRebuild,
		"fill":            &m.fill,
		"unfilled":        &m.unfilled,
		"finish_rebuild":  &m.finishRebuild,
		"abandon_rebuild": &m.abandonRebuild,
		"set_outbox":      &m.setOutbox,
		"changed":         &m.changed,
		"written":         &m.written,
		"set_news":        &m.setNews,
		"arrivals":        &m.arrivals,
		"latest":          &m.latest,
		"count_news":      &m.countNews,
		"trim_news":       &m.trimNews,
		"write_journal":   &m.writeJournal,
		"read_journal":    &m.readJournal,
		"drop_journal":    &m.dropJournal,
		"trim_journal":    &m.trimJournal,
	}
}

// NewMetrics registers the metrics with registry.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "backref_index_operation_duration_seconds",
		Help: "Time that a call of the index took, by operation, waits for other calls and for the disk included.",
		// Few, as there are many operations; the native ones are finer.
		Buckets: []float64{.0001, .001, .01, .1, 1, 10, 60},

		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}, []string{"operation"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "backref_index_operation_errors_total",
		Help: "Calls of the index that failed, by operation; not those that their caller gave up, nor answers such as that there is no such record.",
	}, []string{"operation"})
	m := &Metrics{
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "backref_index_batch_changes", Help: "Changes that shared one transaction of the index.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256},
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_index_write_errors_total", Help: "Transactions of the index that failed, with all their changes.",
		}),
	}
	for name, o := range m.named() {
		o.duration, o.errors = durations.WithLabelValues(name), failures.WithLabelValues(name)
	}
	registry.MustRegister(durations, failures, m.batches, m.failed)
	return m
}

// Attempted counts a batch of changes, with why it could not be made.
func (m *Metrics) Attempted(changes int, err error) {
	if err != nil {
		m.failed.Inc()
		return
	}
	m.batches.Observe(float64(changes))
}

// done counts a call that is over.
func (o *operation) done(start time.Time, err error) {
	o.duration.Observe(time.Since(start).Seconds())
	if err != nil && !isAnswer(err) {
		o.errors.Inc()
	}
}

// isAnswer tells whether an error is what the caller wanted to know, or its own.
func isAnswer(err error) bool {
	for _, answer := range []error{
		context.Canceled, index.ErrNotFound, index.ErrStale, index.ErrInvalid, index.ErrNoRebuild, index.ErrClosed, index.ErrInUse,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}
