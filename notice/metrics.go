package notice

import "github.com/prometheus/client_golang/prometheus"

// The results of deliveries.
const (
	resultDelivered = "delivered"
	resultFailed    = "failed"
	resultDead      = "dead"
)

type metrics struct {
	deliveries *prometheus.CounterVec
	age        *prometheus.GaugeVec
	dead       prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) metrics {
	m := metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_notice_deliveries_total", Help: "Messages to webhooks, by hook and result: delivered, failed attempts, and dead, which were given up.",
		}, []string{"hook", "result"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "backref_notice_queue_age_seconds", Help: "How old the notice is that a hook has to deliver next; 0 where there is none. In the replica that sends.",
		}, []string{"hook"}),
		dead: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_notice_dead_letters", Help: "Messages that were given up and are kept, counted once a minute by the replica that sends.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.deliveries, m.age, m.dead)
	}
	return m
}

// show shows the metrics of hooks before they first count, and forgets others.
func (m metrics) show(before, hooks []Hook) {
	is := map[string]bool{}
	for _, h := range hooks {
		is[h.Name] = true
		for _, result := range []string{resultDelivered, resultFailed, resultDead} {
			m.deliveries.WithLabelValues(h.Name, result)
		}
		m.age.WithLabelValues(h.Name)
	}
	for _, h := range before {
		if !is[h.Name] {
			m.deliveries.DeletePartialMatch(prometheus.Labels{"hook": h.Name})
			m.age.DeleteLabelValues(h.Name)
		}
	}
}
