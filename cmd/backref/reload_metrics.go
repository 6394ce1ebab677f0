package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloadMetrics tell what came of reading the configuration again.
type reloadMetrics struct {
	successful, at prometheus.Gauge
	reloads        *prometheus.CounterVec
}

// Results of a reload, as the metric has them.
const (
	reloadSuccess = "success"
	reloadFailure = "failure"
)

func newReloadMetrics(registry prometheus.Registerer) reloadMetrics {
	m := reloadMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_config_last_reload_successful",
			Help: "Whether the configuration that was read last counts: 1, or 0 where it is wrong and the one of before stays.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration was last read and taken over, at start or later.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_config_reloads_total",
			Help: "How often the configuration was read again, by result.",
		}, []string{"result"}),
	}
	registry.MustRegister(m.successful, m.at, m.reloads)
	for _, result := range []string{reloadSuccess, reloadFailure} {
		m.reloads.WithLabelValues(result)
	}
	return m
}

// count counts what came of reading the configuration, which is no reload at the
// start.
func (m reloadMetrics) count(now time.Time, err error, start bool) {
	result := reloadSuccess
	if err == nil {
		m.successful.Set(1)
		m.at.Set(float64(now.UnixNano()) / float64(time.Second))
	} else {
		result = reloadFailure
		m.successful.Set(0)
	}
	if !start {
		m.reloads.WithLabelValues(result).Inc()
	}
}
