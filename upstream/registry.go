package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/config"
)

// continueTimeout is how long a body is held back for a "100 Continue" of the
// registry: one that refuses says so at once, and many never send it.
const continueTimeout = time.Second

// unbounded stands where no bound on a time is set.
const unbounded = 24 * time.Hour

// Registry is the registry behind backref. It may be used concurrently.
type Registry struct {
	base *url.URL
	// own are for requests that need nothing more, transport for all others.
	own       *connections
	transport *http.Transport
	// realm is the way to its token service, elsewhere that to where it
	// redirects to.
	realm     *http.Transport
	elsewhere *http.Transport
	queries   time.Duration
	// stall is how long it may pause within a body.
	stall time.Duration
	// service signs the questions that backref asks for itself.
	service *auth.Client
	// configured says that it has credentials, or needs none.
	configured bool
	// anonymous says that it needs none.
	anonymous bool
}

// New returns the registry that cfg describes. It does not connect yet.
func New(cfg config.Upstream) (*Registry, error) {
	if cfg.URL == nil || cfg.URL.Host == "" || (cfg.URL.Scheme != "http" && cfg.URL.Scheme != "https") {
		return nil, fmt.Errorf("upstream.url: need an http or https URL with a host, got %q", cfg.URL)
	}
	base := *cfg.URL
	base.RawPath = ""
	if base.Path = strings.Trim(base.Path, "/"); base.Path != "" {
		base.Path = "/" + base.Path
	}
	speak, err := clientTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:       speak.Clone(),
		DialContext:           (&sender{dialer: net.Dialer{Timeout: cfg.Timeouts.Connect}, secure: base.Scheme == "https"}).dial,
		TLSHandshakeTimeout:   cfg.Timeouts.Connect,
		ExpectContinueTimeout: continueTimeout,
		ResponseHeaderTimeout: cfg.Timeouts.ResponseHeader,
		IdleConnTimeout:       cfg.Timeouts.Idle,
		MaxIdleConns:          cfg.MaxIdleConnections,
		MaxIdleConnsPerHost:   cfg.MaxIdleConnections,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,

		MaxResponseHeaderBytes: maxHeader,
		WriteBufferSize:        64 << 10,
		ReadBufferSize:         64 << 10,
	}
	realm := newRealmTransport(cfg, transport)
	r := &Registry{
		own:        newConnections(&base, speak, cfg),
		base:       &base,
		transport:  transport,
		realm:      realm,
		elsewhere:  newElsewhereTransport(cfg, transport),
		queries:    cfg.Timeouts.Query,
		stall:      cmp.Or(cfg.Timeouts.Stall, unbounded),
		configured: cfg.Service.Configured(),
		anonymous:  cfg.Service.Anonymous,
	}
	r.service, err = newServiceClient(cfg, byHost{host: base.Host, registry: carrier(r.carry), others: carrier(func(req *http.Request) (*http.Response, error) {
		return r.watch(realm, req)
	})})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Close closes the idle connections.
func (r *Registry) Close() {
	r.transport.CloseIdleConnections()
	r.own.close()
	r.realm.CloseIdleConnections()
	r.elsewhere.CloseIdleConnections()
}

// RoundTrip sends a request whose URL holds only path and query, as a client
// of the registry would write them, to the registry. The response is as it
// came; the caller closes its body. A failure to get one is reported as an
// error that matches [ErrUnreachable].
//
// A body that the system can move has a method
// Move(to Mover, most int64, within time.Duration) (int64, error).
func (r *Registry) RoundTrip(req *http.Request) (*http.Response, error) {
	r.aim(req)
	return r.carry(req)
}

// carry sends a request by whatever is best for it.
func (r *Registry) carry(req *http.Request) (*http.Response, error) {
	if r.own.takes(req) {
		resp, err := r.own.roundTrip(req)
		switch {
		case err == nil:
			return resp, nil
		case !errors.Is(err, errHTTP2):
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
	}
	return r.watch(r.transport, req)
}

// carrier is a [http.RoundTripper].
type carrier func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (c carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	return c(req)
}

// aim points a request at the registry.
func (r *Registry) aim(req *http.Request) {
	req.URL.Scheme = r.base.Scheme
	req.URL.Host = r.base.Host
	req.Host = ""
	if r.base.Path != "" {
		req.URL.RawPath = r.base.Path + req.URL.EscapedPath()
		req.URL.Path = r.base.Path + req.URL.Path
	}
}

// ClientPath tells whether a URL that the registry wrote points at the
// registry itself and reads differently for a client of backref. If so it
// returns the path and query by which the client reaches the same thing.
func (r *Registry) ClientPath(u *url.URL) (*url.URL, bool) {
	relative := u.Scheme == "" && u.Host == ""
	switch {
	case relative && r.base.Path == "":
		return nil, false
	case !relative && (u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" || !sameHost(u, r.base)):
		return nil, false
	}
	escaped, below := strings.CutPrefix(u.EscapedPath(), r.base.Path)
	// Two slashes at the front would be taken for a host.
	if !below || !strings.HasPrefix(escaped, "/") || strings.HasPrefix(escaped, "//") {
		return nil, false
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, false
	}
	return &url.URL{Path: path, RawPath: escaped, RawQuery: u.RawQuery, Fragment: u.Fragment}, true
}

// sameHost compares host and port. A registry behind a TLS terminator writes
// its URLs with the wrong scheme, so the schemes may differ where the host
// names no port.
func sameHost(u, base *url.URL) bool {
	if strings.EqualFold(u.Host, base.Host) {
		return true
	}
	return strings.EqualFold(u.Hostname(), base.Hostname()) && port(u) == port(base)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
