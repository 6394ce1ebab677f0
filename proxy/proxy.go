package proxy

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
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
	store    *confirmingStore
	upstream *upstream.Registry
	log      *zap.Logger
	now      func() time.Time

	handler http.Handler
	// endpoints says how each endpoint is served.
	endpoints [endpointCount]family
	// staying are the headers that are not passed to the registry.
	staying     map[string]bool
	buffers     bufferPool
	metrics     *metrics
	permissions *permissions
	tagChecks   *tagChecks
	tagKinds    tagKinds
	tagMeanings *tagMeanings
	tagLocks    tagLocks
	// tagLocker is nil for a store that one process has.
	tagLocker index.TagLocker
	// subjects is nil for a store that finds none by their tags.
	subjects  index.TagSubjects
	served    *servedListings
	manifests *manifestCache
	// known are manifests that the index has lately been seen to know.
	known  *otter.Cache[manifestName, struct{}]
	pages  *pageCache
	memory manifestMemory
	native nativeSupport
	// order is that of listings for which none is asked.
	order      index.Order
	hiddenTags hiddenTags
	realm      realm
	limiter    *limiter
	hints      hints
	// access is nil in auth.mode passthrough.
	access     *access
	namespaces namespaces
	// elsewhere are manifests that were lately seen under the name of another
	// registry.
	elsewhere *otter.Cache[manifestName, struct{}]
	// doubted says until when the referrers of a repository are doubted.
	doubted *otter.Cache[string, time.Time]
	// underway holds the intents of requests that this process is serving:
	// nobody has been told of their outcome yet.
	underway sync.Map
}

// New returns a proxy. It fails where an option is missing.
func New(o Options) (*Proxy, error) {
	if o.Store == nil || o.Upstream == nil || o.Log == nil {
		return nil, errors.New("proxy: Store, Upstream and Log are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
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
		order:       order,
		access:      access,
		config:      o.Config,
		store:       newConfirmingStore(o.Store),
		upstream:    o.Upstream,
		log:         o.Log,
		now:         o.Now,
		metrics:     newMetrics(o.Metrics),
		memory:      newManifestMemory(o.Config.Limits.ManifestMemory),
		permissions: newPermissions(key, o.Config.Permissions),
		manifests:   newManifestCache(o.Config.Cache),
		known:       newCache[manifestName, struct{}](knownFor, knownManifests),
		elsewhere:   newCache[manifestName, struct{}](knownFor, knownManifests),
		doubted:     newCache[string, time.Time](time.Hour, knownManifests),
		namespaces:  newNamespaces(o.Config.Upstream),
		pages:       newPageCache(o.Config.Cache, o.Store),
		limiter:     newLimiter(o.Config.Limits),
		tagKinds:    newTagKinds(o.Config.Referrers.RecheckTag, o.Config.Limits.TrackedSubjects),
		hiddenTags:  newHiddenTags(o.Config.Referrers),
		native:      newNativeSupport(o.Config),
		tagChecks:   newTagChecks(o.Config.Referrers.RecheckTag, o.Config.Limits.TrackedSubjects),
		tagMeanings: newTagMeanings(o.Config.Referrers.RecheckTag, o.Config.Limits.TrackedSubjects),
		served:      newServedListings(o.Config, o.Store),
	}
	p.subjects, _ = o.Store.(index.TagSubjects)
	p.tagLocker, _ = o.Store.(index.TagLocker)
	p.staying = notForRegistry()
	p.endpoints = endpointTable()
	p.handler = p.routes()
	return p, nil
}

// Close waits until what came of all pushes is in the store. It is to be called
// after the last request and before the store is closed; what is not written
// then, the next start finds open and asks the upstream about.
func (p *Proxy) Close() {
	p.store.drain()
}

// AfterRecords has next served when what came of the pushes that were answered
// before is in the store: next reads there without the proxy.
func (p *Proxy) AfterRecords(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.store.waitAll(r.Context()); err != nil {
			panic(http.ErrAbortHandler) // Nobody waits for an answer.
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP serves one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.handler.ServeHTTP(w, r)
}
