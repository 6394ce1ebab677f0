package proxy

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/proxy/ext"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// Proxy serves registry clients. It is an [http.Handler]. The only goroutines
// that outlive a request write what came of pushes, see [Proxy.Close].
type Proxy struct {
	options  Options
	upstream *upstream.Registry
	log      *zap.Logger
	now      func() time.Time

	handler http.Handler
	// endpoints says how each endpoint is served.
	endpoints [endpointCount]family
	// staying are the headers that are not passed to the registry.
	staying   map[string]bool
	buffers   wrap.Buffers
	metrics   *metrics
	registry  *registry.Registry
	extension *ext.Extension
	writer    registry.Writer
	manifests *manifestCache
	pages     *pageCache
	realm     realm
	hints     hints
	// access is nil in auth.mode passthrough.
	access *access
	// webPages are for viewers who reach the proxy as clients do; nil for none.
	webPages   http.Handler
	bounds     atomic.Pointer[Limits]
	namespaces namespaces
}

// New returns a proxy. It fails where an option is missing.
func New(o Options) (*Proxy, error) {
	behind := o.Registry
	if behind.Index == nil || behind.Upstream == nil || behind.Log == nil || o.ValidPrefix == nil {
		return nil, errors.New("proxy: Registry, with Index, Upstream and Log, and ValidPrefix are required")
	}
	if behind.Now == nil {
		behind.Now = time.Now
	}
	p := &Proxy{
		options:    o,
		upstream:   behind.Upstream,
		log:        behind.Log,
		now:        behind.Now,
		metrics:    newMetrics(behind.Metrics),
		manifests:  newManifestCache(o.Cache, behind.Metrics),
		namespaces: newNamespaces(o.UpstreamURL, o.UpstreamNames),
		pages:      newPageCache(o.Cache, behind.Index, behind.Metrics),
	}
	var err error
	if p.access, err = newAccess(o); err != nil {
		return nil, err
	}
	p.bounds.Store(&o.Limits)
	behind.Forget = p.manifests.drop
	if p.registry, err = registry.New(behind); err != nil {
		return nil, err
	}
	if p.extension, err = p.newExtension(); err != nil {
		return nil, err
	}
	p.writer = p.registry.Writer()
	p.staying = notForRegistry()
	p.endpoints = endpointTable()
	p.handler = p.routes()
	if o.Pages != nil {
		p.webPages, err = o.Pages(p)
	}
	return p, err
}

// Close waits until what came of all pushes is in the store. It is to be called
// after the last request and before the store is closed; what is not written
// then, the next start finds open and asks the upstream about.
func (p *Proxy) Close() {
	p.registry.Close()
}

// Registry returns the registry that the proxy shows, for those who act there
// beside requests.
func (p *Proxy) Registry() *registry.Registry { return p.registry }

// AfterRecords has next served when what came of the pushes that were answered
// before is in the store: next reads there without the proxy.
func (p *Proxy) AfterRecords(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.registry.WaitRecorded(r.Context()); err != nil {
			panic(http.ErrAbortHandler) // Nobody waits for an answer.
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP serves one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handler.ServeHTTP(w, r)
}
