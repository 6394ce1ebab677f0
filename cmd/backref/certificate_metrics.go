package main

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// certificateMetrics is a collector of when the certificates expire that the server
// shows: those of its listeners, and its own to the registry.
type certificateMetrics struct{ server *server }

// expiry describes the metric.
func (certificateMetrics) expiry() *prometheus.Desc {
	return prometheus.NewDesc("backref_certificate_expiry_timestamp_seconds",
		"When a certificate expires that is shown just now, by use: server, admin, or upstream (upstream.tls.certFile). One that is not configured is not shown.",
		[]string{"use"}, nil)
}

// Describe implements [prometheus.Collector].
func (c certificateMetrics) Describe(to chan<- *prometheus.Desc) { to <- c.expiry() }

// Collect implements [prometheus.Collector].
func (c certificateMetrics) Collect(to chan<- prometheus.Metric) {
	show := func(use string, pair *tls.Certificate) {
		if until := expires(pair); !until.IsZero() {
			to <- prometheus.MustNewConstMetric(c.expiry(), prometheus.GaugeValue, float64(until.Unix()), use)
		}
	}
	show("server", c.server.front.certificates.shown())
	show("admin", c.server.admin.certificates.shown())
	if upstream := c.server.upstream; upstream != nil {
		show("upstream", upstream.Certificate())
	}
}

// shown is the certificate that clients are shown just now; nil for none.
func (c *certificates) shown() *tls.Certificate {
	if c == nil {
		return nil
	}
	return &c.latest.Load().Certificates[0]
}

// expires returns when the first certificate of a chain that expires does; zero for
// no chain.
func expires(pair *tls.Certificate) (first time.Time) {
	if pair == nil {
		return first
	}
	for _, der := range pair.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err == nil && (first.IsZero() || certificate.NotAfter.Before(first)) {
			first = certificate.NotAfter
		}
	}
	return first
}
