package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/registry"
)

// auditMetrics are those of the audit.
type auditMetrics struct {
	records *prometheus.CounterVec
	dropped prometheus.Counter
}

// newAuditMetrics registers the metrics unless registry is nil.
func newAuditMetrics(registerer prometheus.Registerer) auditMetrics {
	m := auditMetrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_audit_records_total",
			Help: "Denials and deletions that were recorded in the log, by outcome: denied or deleted.",
		}, []string{"outcome"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "backref_audit_dropped_total",
			Help: "Records of denials and deletions that the index could not take in time: they stand in the log alone.",
		}),
	}
	for _, outcome := range []string{registry.AuditDenied, registry.AuditDeleted} {
		m.records.WithLabelValues(outcome)
	}
	if registerer != nil {
		registerer.MustRegister(m.records, m.dropped)
	}
	return m
}
