package upstream

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/backref/backref/upstream/wire"
)

// What passes through a registry's transport, and is not only upstream's.
type (
	// Interim takes the informational responses to a request, see
	// [wire.Interim]; [InterimKey] is its key in the context of a request.
	Interim = wire.Interim
	// InterimKey is the key of the [Interim] in the context of a request.
	InterimKey = wire.InterimKey
	// Mover is what the body of a response can be moved to, see [wire.Mover].
	Mover = wire.Mover
)

// wireOptions returns what all ways to or from the registry have in common.
func wireOptions(o Options, speak *tls.Config) wire.Options {
	return wire.Options{
		TLS:                speak,
		Connect:            o.Timeouts.Connect,
		ResponseHeader:     o.Timeouts.ResponseHeader,
		Stall:              o.Timeouts.Stall,
		Idle:               o.Timeouts.Idle,
		MaxIdleConnections: o.MaxIdleConnections,
		Settings:           "upstream.timeouts",
		Standard:           o.StandardTransport,
		Proxy:              o.Proxy,
	}
}

// withoutCertificate has options for whoever is not the registry: the client
// certificate is for that alone. Few connections are kept.
func withoutCertificate(o wire.Options) wire.Options {
	o.TLS = o.TLS.Clone()
	o.TLS.GetClientCertificate = nil
	o.MaxIdleConnections = otherIdle
	o.Standard = true
	return o
}

// otherIdle is the most idle connections that are kept to the token service,
// and to where the registry redirects to.
const otherIdle = 16

// reaching is a way by which what brings no answer is [ErrUnreachable].
type reaching struct {
	by http.RoundTripper
	// watch may be nil.
	watch   Watch
	tracing tracing
}

// RoundTrip implements [http.RoundTripper].
func (r reaching) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.watch != nil {
		r.watch.Sent(req.Context())
		defer r.watch.Answered(req.Context())
	}
	req, span := r.tracing.begin(req)
	resp, err := r.by.RoundTrip(req)
	if span != nil {
		endSpan(span, resp, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return resp, nil
}
