package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/upstream/wire"
)

// metrics are those of requests to the registry, and to where it sends on. None has
// a repository among its labels: their number is not bounded. A nil one counts
// nothing.
type metrics struct {
	kinds map[string]*kindMetrics
}

// kindMetrics are those of requests of one kind.
type kindMetrics struct {
	duration prometheus.Observer
	// classes has a counter for each class of statuses, and failures one for each
	// reason for which there was no response.
	classes  [len(classes)]prometheus.Counter
	failures map[string]prometheus.Counter
}

// classes are those of statuses, by their first digit.
const classes = "012345"

// The kinds of requests: what is asked of the registry, its token service, and
// where it redirects to.
const (
	kindBase      = "base"
	kindManifests = "manifests"
	kindBlobs     = "blobs"
	kindUploads   = "uploads"
	kindTags      = "tags"
	kindReferrers = "referrers"
	kindCatalog   = "catalog"
	kindOther     = "other"
	kindToken     = "token"
	kindElsewhere = "elsewhere"
)

// The reasons for which there is no response.
const (
	reasonCanceled = "canceled"
	reasonTimeout  = "timeout"
	reasonDNS      = "dns"
	reasonTLS      = "tls"
	reasonRefused  = "refused"
	reasonConnect  = "connect"
	reasonBroken   = "broken"
	reasonOther    = "other"
)

// newMetrics registers the metrics with registry; nil where that is.
func newMetrics(registry *prometheus.Registry, ways func() *ways) *metrics {
	if registry == nil {
		return nil
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "backref_upstream_requests_total",
		Help: "Responses to requests to the registry and to where it sends on, by kind (elsewhere: where it redirects to) and class of the status.",
	}, []string{"kind", "status"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "backref_upstream_errors_total",
		Help: "Requests to the registry, and to where it sends on, without a response, by kind and reason: canceled (the client left), timeout, dns, refused, connect, tls, broken (the connection), or other.",
	}, []string{"kind", "reason"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "backref_upstream_request_duration_seconds",
		Help:    "Time until the header of a response of the registry was there, or there was to be none, by kind; the bodies of pushes are sent within it.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 300, 900},

		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}, []string{"kind"})
	m := &metrics{kinds: map[string]*kindMetrics{}}
	for _, kind := range []string{
		kindBase, kindManifests, kindBlobs, kindUploads, kindTags, kindReferrers, kindCatalog, kindOther, kindToken, kindElsewhere,
	} {
		of := &kindMetrics{duration: durations.WithLabelValues(kind), failures: map[string]prometheus.Counter{}}
		for digit := 2; digit < len(classes); digit++ {
			of.classes[digit] = requests.WithLabelValues(kind, classes[digit:digit+1]+"xx")
		}
		for _, reason := range []string{
			reasonCanceled, reasonTimeout, reasonDNS, reasonTLS, reasonRefused, reasonConnect, reasonBroken, reasonOther,
		} {
			of.failures[reason] = failures.WithLabelValues(kind, reason)
		}
		m.kinds[kind] = of
	}
	registry.MustRegister(requests, failures, durations, connectionMetrics{ways})
	return m
}

// watch has a transport tell of its requests, whose kind is the given one, or, where
// that is empty, what their paths say.
func (m *metrics) watch(kind string, options wire.Options) wire.Options {
	if m == nil {
		return options
	}
	options.Ended = func(req *http.Request, resp *http.Response, err error, took time.Duration) {
		of := kind
		if of == "" {
			of = kindOf(req.URL.Path)
		}
		m.kinds[of].count(resp, err, took)
	}
	return options
}

func (k *kindMetrics) count(resp *http.Response, err error, took time.Duration) {
	k.duration.Observe(took.Seconds())
	if err != nil {
		k.failures[reasonOf(err)].Inc()
		return
	}
	if class := resp.StatusCode / 100; class < len(k.classes) && k.classes[class] != nil {
		k.classes[class].Inc()
	}
}

// kindOf returns what a path of the registry asks for. A repository may be named
// like any word of it, so that only the end tells; that of a blob's upload names no
// digest.
func kindOf(path string) string {
	if strings.Contains(path, "/blobs/uploads/") {
		return kindUploads
	}
	switch last := strings.LastIndexByte(path, '/'); {
	case strings.HasSuffix(path, "/v2/"):
		return kindBase
	case strings.HasSuffix(path, "/v2/_catalog"):
		return kindCatalog
	case strings.HasSuffix(path, "/tags/list"):
		return kindTags
	case last < 0:
		return kindOther
	case strings.HasSuffix(path[:last], "/manifests"):
		return kindManifests
	case strings.HasSuffix(path[:last], "/blobs"):
		return kindBlobs
	case strings.HasSuffix(path[:last], "/referrers"):
		return kindReferrers
	default:
		return kindOther
	}
}

// reasonOf returns why there is no response.
func reasonOf(err error) string {
	var name *net.DNSError
	var unknown *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	var operation *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return reasonCanceled
	case errors.As(err, &name):
		return reasonDNS
	case errors.As(err, &unknown), errors.As(err, &record), errors.As(err, &alert), errors.As(err, &authority):
		return reasonTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefused
	case errors.As(err, &operation) && operation.Op == "dial":
		return reasonConnect
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return reasonTimeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reasonBroken
	default:
		return reasonOther
	}
}

// connectionMetrics is a collector of the connections to the registry.
type connectionMetrics struct{ ways func() *ways }

func (connectionMetrics) connections() *prometheus.Desc {
	return prometheus.NewDesc("backref_upstream_connections",
		"Connections to the registry of backref's own transport, by state: active or idle. Uploads, and all requests with upstream.transport standard, by HTTP/2 or by a proxy, have others.",
		[]string{"state"}, nil)
}

// Describe implements [prometheus.Collector].
func (c connectionMetrics) Describe(to chan<- *prometheus.Desc) { to <- c.connections() }

// Collect implements [prometheus.Collector].
func (c connectionMetrics) Collect(to chan<- prometheus.Metric) {
	open, idle := c.ways().transport.Connections()
	to <- prometheus.MustNewConstMetric(c.connections(), prometheus.GaugeValue, float64(max(0, open-idle)), "active")
	to <- prometheus.MustNewConstMetric(c.connections(), prometheus.GaugeValue, float64(idle), "idle")
}
