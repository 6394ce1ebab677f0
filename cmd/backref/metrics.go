package main

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/backref/backref/index/measure"
)

// measure registers the metrics of the process and of the index, and has the
// index counted beside requests.
func (s *server) measure(metrics *prometheus.Registry, store measuredStore) {
	counts := measure.NewCounts(store)
	s.background = append(s.background, counts.Run)
	metrics.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(), measure.NewBacklog(store, time.Now), counts, certificateMetrics{s},
	)
}

// metricBuild is the metric that says which program runs.
const metricBuild = "backref_build_info"

// buildInfo is a gauge that says which program this is.
func buildInfo() prometheus.Collector {
	name, commit := build()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: metricBuild, Help: "Which program this is, always 1: its version, the commit that it was built from, and the toolchain.",
		ConstLabels: prometheus.Labels{"version": name, "revision": commit, "goversion": runtime.Version()},
	})
	info.Set(1)
	return info
}
