package upstream

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backref/backref/upstream/wire"
)

// Registry is the registry behind backref. It may be used concurrently.
type Registry struct {
	*reached
	// sender is how requests get there: by all shims, or by those below one.
	sender Sender
}

// reached is what all views of a registry, with more or fewer shims, have in common.
type reached struct {
	base    *url.URL
	options Options
	// ways is how it is reached.
	ways atomic.Pointer[ways]

	// metrics may be nil.
	metrics *metrics
	queries time.Duration
	// configured says that it has credentials, or needs none.
	configured bool
	// anonymous says that it needs none.
	anonymous bool
	// api is whether there is a registry at all.
	api apiCheck
}

// New returns the registry that o describes. It does not connect yet.
func New(o Options) (*Registry, error) {
	if o.URL == nil || o.URL.Host == "" || (o.URL.Scheme != "http" && o.URL.Scheme != "https") {
		return nil, fmt.Errorf("%s: need an http or https URL with a host, got %q", o.key("url"), o.URL)
	}
	base := *o.URL
	base.RawPath = ""
	if base.Path = strings.Trim(base.Path, "/"); base.Path != "" {
		base.Path = "/" + base.Path
	}
	bare := &reached{
		base:       &base,
		options:    o,
		queries:    o.Timeouts.query(),
		configured: o.Service.configured(),
		anonymous:  o.Service.Anonymous,
	}
	r := &Registry{bare, direct{bare}}
	r.metrics = newMetrics(o.Metrics, r.ways.Load)
	first, err := r.newWays(o, nil)
	if err != nil {
		return nil, err
	}
	r.ways.Store(first)
	for _, shim := range o.Shims {
		r = &Registry{bare, shim(r)}
	}
	return r, nil
}

// Bare returns the same registry without its shims: as it is itself. It shares
// connections, credentials and tokens.
func (r *Registry) Bare() *Registry { return &Registry{r.reached, direct{r.reached}} }

// Close closes the idle connections.
func (r *Registry) Close() {
	r.ways.Load().close()
}

// by returns one of the ways, to the registry or elsewhere, with what goes with all
// of them.
func (r *reached) by(way *wire.Transport, registry bool) reaching {
	return reaching{way, r.options.Watch, tracing{r.options.Tracer, registry}}
}

// aim points a request at the registry.
func (r *reached) aim(req *http.Request) {
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

// URL returns the URL of what a client of backref reaches by a path and query: what
// [Registry.ClientPath] makes of it is these again.
func (r *Registry) URL(path *url.URL) *url.URL {
	return &url.URL{
		Scheme: r.base.Scheme, Host: r.base.Host, Path: r.base.Path + path.Path, RawPath: r.base.Path + path.EscapedPath(),
		RawQuery: path.RawQuery, Fragment: path.Fragment,
	}
}

// sameHost compares host and port. A registry behind a TLS terminator writes
// its URLs with the wrong scheme, so the schemes may differ where the host
// names no port.
func sameHost(u, base *url.URL) bool {
	if strings.EqualFold(u.Host, base.Host) {
		return true
	}
	return strings.EqualFold(u.Hostname(), base.Hostname()) && wire.Port(u) == wire.Port(base)
}
