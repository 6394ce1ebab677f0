package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// connectionMetrics is a collector of what the pool counts of its connections.
type connectionMetrics struct {
	ask                                                 func() *pgxpool.Stat
	connections, most, acquired, waits, waited, givenUp *prometheus.Desc
}

func newConnectionMetrics(ask func() *pgxpool.Stat) *connectionMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("backref_database_"+name, help, labels, nil)
	}
	return &connectionMetrics{
		ask:         ask,
		connections: desc("connections", "Connections to the database by state: acquired, idle, or opening.", "state"),
		most:        desc("connections_max", "Connections to the database that may be open at once (index.postgres.connections)."),
		acquired:    desc("acquires_total", "Connections that were given to a question or change."),
		waits:       desc("acquire_waits_total", "Connections that were given after a wait, because none was idle."),
		waited:      desc("acquire_wait_seconds_total", "Time that was waited for a connection because none was idle."),
		givenUp:     desc("acquires_canceled_total", "Connections that were waited for until the time, or the caller, was gone."),
	}
}

// Describe implements [prometheus.Collector].
func (c *connectionMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.connections, c.most, c.acquired, c.waits, c.waited, c.givenUp} {
		to <- desc
	}
}

// Collect implements [prometheus.Collector].
func (c *connectionMetrics) Collect(to chan<- prometheus.Metric) {
	stat := c.ask()
	gauge := func(desc *prometheus.Desc, value int32, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	counter := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value)
	}
	gauge(c.connections, stat.AcquiredConns(), "acquired")
	gauge(c.connections, stat.IdleConns(), "idle")
	gauge(c.connections, stat.ConstructingConns(), "opening")
	gauge(c.most, stat.MaxConns())
	counter(c.acquired, float64(stat.AcquireCount()))
	counter(c.waits, float64(stat.EmptyAcquireCount()))
	counter(c.waited, stat.EmptyAcquireWaitTime().Seconds())
	counter(c.givenUp, float64(stat.CanceledAcquireCount()))
}
