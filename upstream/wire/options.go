package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// unbounded stands where no bound on a time is set.
const unbounded = 24 * time.Hour

// defaultIdleConnections is how many idle connections are kept where
// [Options.MaxIdleConnections] doesn't say.
const defaultIdleConnections = 100

// Options are what a [Transport] is made of. The zero value works, without
// bounds on times.
type Options struct {
	// Standard has package net/http send all requests.
	Standard bool
	// TLS is how TLS is spoken; nil for the defaults of crypto/tls. Its
	// ServerName, where it is empty, is the host of each request. The protocols
	// that are negotiated are HTTP/2 and HTTP/1.1, whatever NextProtos says.
	TLS *tls.Config
	// DialContext opens connections to servers, without TLS, as that of
	// [net.Dialer] does; nil for one that Connect bounds. Only a [*net.TCPConn]
	// is used again by connections of this package's own.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy returns the proxy for a request, nil for none, as
	// [http.ProxyFromEnvironment] does; nil is none for all. An error of its is
	// the request's. Package net/http sends what goes by a proxy, DialContext is
	// not for the way there, and TLS without its certificates is.
	Proxy func(*http.Request) (*url.URL, error)

	// Connect bounds opening a connection, unless by DialContext, and then the
	// TLS handshake, each for itself. 0 sets no bound, as in all that follow.
	Connect time.Duration
	// ResponseHeader bounds the time from the end of a request to the end of its
	// response's header. After it requests fail by [ErrSilent].
	ResponseHeader time.Duration
	// Stall bounds a pause of the server's while it takes or sends a body. What
	// the other side takes its time with doesn't count. After it the request, or
	// reading the body of its response, fails by [ErrStalled].
	Stall time.Duration
	// Idle is how long a connection without a request is kept.
	Idle time.Duration
	// MaxIdleConnections is how many such connections are kept at most; 0 is 100.
	MaxIdleConnections int

	// Ended is told of each request when the header of its response is there, or why
	// there is none, and how long that took. It may be called concurrently; nil
	// hears nothing.
	Ended func(req *http.Request, resp *http.Response, err error, took time.Duration)

	// Settings is where an operator sets the times above, such as
	// "upstream.timeouts": errors name it.
	Settings string
}

// withDefaults returns options that say everything.
func (o Options) withDefaults() Options {
	o.MaxIdleConnections = cmp.Or(o.MaxIdleConnections, defaultIdleConnections)
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{Timeout: o.Connect}).DialContext
	}
	return o
}
