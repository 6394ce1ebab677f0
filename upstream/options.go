package upstream

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Options describe a registry and the way to it. URL alone is needed: the rest
// works as its zero value does, as an anonymous client without bounds on times.
type Options struct {
	// URL is the registry's, http or https, without /v2; it may have a path.
	URL *url.URL
	// Key is the section of the configuration that describes the registry; empty for
	// upstream. Errors name it.
	Key string
	// Service is who backref is to the registry when it asks for itself.
	Service Service
	TLS     TLS
	// Timeouts bound the phases of a request.
	Timeouts Timeouts
	// MaxIdleConnections is how many idle connections to the registry are kept at
	// most; 0 is 100.
	MaxIdleConnections int
	// StandardTransport has package net/http send all requests, also those that
	// connections of package wire's own are quicker for.
	StandardTransport bool
	// Proxy returns the proxy for a request, to the registry or elsewhere, nil for
	// none, as [http.ProxyFromEnvironment] does; nil is none for all.
	Proxy func(*http.Request) (*url.URL, error)
	// Shims make up for what the registry lacks, the innermost first.
	Shims []Shim
	// Watch is told of each request, to the registry or elsewhere; nil for nobody.
	Watch Watch
	// Tracer makes spans of requests; nil makes none.
	Tracer trace.Tracer
	// Metrics is where the requests are counted; nil for nowhere.
	Metrics *prometheus.Registry
}

// key returns the name of a key of the configuration that is about the registry.
func (o Options) key(name string) string {
	return cmp.Or(o.Key, "upstream") + "." + name
}

// Watch hears for how long answers are waited for. It may be called concurrently,
// also after the end of the request of a client that a question was asked for.
type Watch interface {
	// Sent is called when a request is about to be sent, whose context is ctx.
	Sent(ctx context.Context)
	// Answered is called when the header of its answer is there, or there will be
	// none.
	Answered(ctx context.Context)
}

// Service is how backref proves itself to the registry. The zero value does not.
type Service struct {
	// Username and Password sign in; the password may be a token.
	Username string
	Password string
	// PasswordFile is a file with the password, instead of it. It is read when the
	// credentials are given, as that below is.
	PasswordFile string
	// DockerConfig is Docker's config.json with the credentials, or with the name
	// of the credential helper that has them, instead of all of these.
	DockerConfig string
	// Anonymous says that the registry lets anyone read.
	Anonymous bool
}

// configured tells whether backref can sign in by itself, or needs not to.
func (s Service) configured() bool {
	return s.Anonymous || s.Username != "" || s.DockerConfig != ""
}

// TLS is how TLS is spoken to the registry and its token service, from version
// 1.2 on. There is no way not to verify it.
type TLS struct {
	// CAFile is a PEM file with authorities that are trusted beside the system's.
	// It is read when the TLS is given.
	CAFile string
	// CertFile and KeyFile are PEM files with the certificate that is shown to
	// the registry alone. They are read anew for each connection.
	CertFile string
	KeyFile  string
}

// Timeouts bound the phases of a request. 0 sets no bound.
type Timeouts struct {
	// Connect bounds opening a connection, and the TLS handshake.
	Connect time.Duration
	// ResponseHeader bounds the time from the end of a request to the header of
	// its response.
	ResponseHeader time.Duration
	// Stall is how long the registry may pause while it takes or sends a body.
	Stall time.Duration
	// Idle is how long an idle connection is kept.
	Idle time.Duration
	// Query bounds one question that backref asks for itself, redirects and body
	// included.
	Query time.Duration
}

// unbounded stands where no bound on a time is set.
const unbounded = 24 * time.Hour

// query returns the bound of one question.
func (t Timeouts) query() time.Duration {
	return cmp.Or(t.Query, unbounded)
}
