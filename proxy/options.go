package proxy

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/signin"
	"github.com/backref/backref/upstream/routes"
)

// Options are what a proxy is made of. Registry and ValidPrefix are required.
// Sizes are in bytes.
type Options struct {
	// Registry is what the registry is made of that the proxy shows, with its log,
	// metrics and clock, which are the proxy's too. What is to be forgotten is for
	// the proxy to set. Its rules count with SignIn.
	Registry registry.Options
	// Access takes a line for each request; nil for none. The registry's log may be
	// meant, or another: what failed is in the former all the same.
	Access *zap.Logger
	// LegacyTags says that the extension shows what cosign 2 keeps under tags where a
	// query doesn't say.
	LegacyTags bool
	// Feeds tells whether news are kept for feeds; nil where they are not.
	Feeds func() bool
	// SignIn tells who clients are (auth.mode service); nil where their
	// credentials are the upstream's to judge.
	SignIn *signin.Door

	// PublicURL is how clients reach the proxy; nil where the request tells.
	PublicURL *url.URL
	// TrustedProxies may say on whose behalf they speak.
	TrustedProxies []netip.Prefix
	// ValidPrefix tells whether a text is a path that may stand before others.
	ValidPrefix func(text string) bool
	// UpstreamURL is that of the upstream, and UpstreamNames further names that
	// clients may mean it by (ns=).
	UpstreamURL   *url.URL
	UpstreamNames []string
	// Routes are the further registries behind the upstream; nil for none.
	Routes *routes.Table
	// RewriteRealm says that challenges name the proxy's own token endpoint, which
	// passes requests on to the service that the upstream named at most
	// RecheckRealm ago.
	RewriteRealm bool
	RecheckRealm time.Duration

	// Pages makes the web page that is served below [PagesPath], which asks the proxy
	// in turn; nil for none.
	Pages func(*Proxy) (http.Handler, error)

	Cache  Cache
	Limits Limits
}

// Cache says what is kept ready to be sent.
type Cache struct {
	// Pages and Manifests are how much is kept of referrers pages and of manifests;
	// 0 keeps none. A manifest is kept for ManifestTTL at most.
	Pages, Manifests int64
	ManifestTTL      time.Duration
}

// Limits bound what requests may take, beside those of the registry.
type Limits struct {
	// ManifestTime is how long a client may take to send a manifest.
	ManifestTime time.Duration
	// Patience is how long clients may keep the proxy waiting within a body.
	Patience wrap.Patience
	// Requests are how many are let in.
	Requests wrap.Bounds
	// PageSize is the largest n of a list.
	PageSize int
	// ResponseSize is the largest page of referrers or of the extension.
	ResponseSize int
	// TagListSize and TagListPages bound what is read of the upstream's tags for
	// one list, and CatalogTags those that the extension looks up.
	TagListSize               int64
	TagListPages, CatalogTags int
	// QueryTime is how long a question to the upstream may take.
	QueryTime time.Duration
}
