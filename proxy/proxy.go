package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/ext"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// Options are what a proxy is made of. All are required but Metrics and Now.
type Options struct {
	Config   config.Config
	Store    index.Store
	Upstream *upstream.Registry
	Log      *zap.Logger
	// Metrics is where the proxy registers its own; nil for nowhere.
	Metrics *prometheus.Registry
	// Now tells the time; nil for the system's clock.
	Now func() time.Time
}

// Proxy serves registry clients. It is an [http.Handler]. The only goroutines
// that outlive a request write what came of pushes, see [Proxy.Close].
type Proxy struct {
	config   config.Config
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
	// order is that of listings for which none is asked.
	order index.Order
	realm realm
	hints hints
	// access is nil in auth.mode passthrough.
	access     *access
	namespaces namespaces
}

// New returns a proxy. It fails where an option is missing.
func New(o Options) (*Proxy, error) {
	if o.Store == nil || o.Upstream == nil || o.Log == nil {
		return nil, errors.New("proxy: Store, Upstream and Log are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	access, err := newAccess(o.Config.Auth, o.Log)
	if err != nil {
		return nil, err
	}
	order, err := index.ParseOrder(o.Config.Referrers.Order)
	if err != nil {
		return nil, fmt.Errorf("referrers.order: %w", err)
	}
	p := &Proxy{
		order:      order,
		access:     access,
		config:     o.Config,
		upstream:   o.Upstream,
		log:        o.Log,
		now:        o.Now,
		metrics:    newMetrics(o.Metrics),
		manifests:  newManifestCache(o.Config.Cache),
		namespaces: newNamespaces(o.Config.Upstream),
		pages:      newPageCache(o.Config.Cache, o.Store),
	}
	if p.registry, err = registry.New(p.registryOptions(o)); err != nil {
		return nil, err
	}
	if p.extension, err = p.newExtension(); err != nil {
		return nil, err
	}
	p.writer = p.registry.Writer()
	p.staying = notForRegistry()
	p.endpoints = endpointTable()
	p.handler = p.routes()
	return p, nil
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
		if err := p.registry.Settled(r.Context()); err != nil {
			panic(http.ErrAbortHandler) // Nobody waits for an answer.
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP serves one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handler.ServeHTTP(w, r)
}

// registryOptions are those of the registry that the proxy shows.
func (p *Proxy) registryOptions(o Options) registry.Options {
	limits, referrers, timeouts := o.Config.Limits, o.Config.Referrers, o.Config.Upstream.Timeouts
	options := registry.Options{
		Index: o.Store, Upstream: o.Upstream, Log: o.Log, Metrics: o.Metrics, Now: o.Now, Forget: p.manifests.drop,
		Limits: registry.Limits{
			Manifest: index.ManifestLimits{
				Depth: limits.ManifestDepth, Descriptors: limits.ManifestDescriptors, Annotations: limits.ManifestAnnotations,
			},
			Size: int64(limits.ManifestSize), Memory: int64(limits.ManifestMemory),
			Annotations: int64(limits.ReferrerAnnotations), Descriptor: int(limits.DescriptorSize),
			Entries: limits.TagEntries, Listings: int64(limits.TagListings), ListEntries: limits.ListEntries,
			Subjects: limits.TrackedSubjects, TreeNodes: limits.TreeNodes, Response: int(limits.ResponseSize),
			Concurrency: limits.UpstreamQueries,
		},
		Order: p.order, ReferrersTags: referrers.FallbackTags != config.FallbackOff,
		RecheckTag: referrers.RecheckTag, RecheckNative: referrers.RecheckNative, ListingTTL: referrers.TagListingTTL,
		HiddenTags: referrers.HiddenTags, Hide: hidingOf(o.Config.Tags.Hide),
		PermissionTTL: o.Config.Permissions.CacheTTL, Permissions: o.Config.Permissions.CacheEntries,
		RequestTime: timeouts.Connect + timeouts.ResponseHeader + timeouts.Grace,
	}
	if p.access != nil {
		options.Rules = p.access.rules
	}
	return options
}

func hidingOf(tags string) registry.Hiding {
	switch tags {
	case "referrers":
		return registry.HideReferrers
	case "referrers+cosign":
		return registry.HideReferrersAndCosign
	default:
		return registry.HideNothing
	}
}
