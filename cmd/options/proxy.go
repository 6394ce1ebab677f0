package options

import (
	"cmp"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/signin"
	"github.com/backref/backref/upstream"
)

// Proxy returns what the configuration says of the door, and of the registry that
// it shows: the one at upstream, with that index. It fails where a key has no
// meaning, or who signs in can't be read.
func Proxy(cfg config.Config, store index.Store, behind *upstream.Registry, log *zap.Logger) (proxy.Options, error) {
	shown, err := Registry(cfg, store, behind, log)
	if err != nil {
		return proxy.Options{}, err
	}
	o := proxy.Options{
		Registry: shown, LegacyTags: cfg.Referrers.LegacyTags == config.LegacyShow,
		PublicURL: cfg.Server.PublicURL, TrustedProxies: cfg.Server.TrustedProxies, ValidPrefix: config.ValidPrefix,
		UpstreamURL: cfg.Upstream.URL, UpstreamNames: cfg.Upstream.Namespaces,
		RewriteRealm: cfg.Auth.Realm == config.RealmRewrite, RecheckRealm: cfg.Auth.RecheckRealm,
		Cache:  proxy.Cache{Pages: int64(cfg.Cache.Pages), Manifests: int64(cfg.Cache.Manifests), ManifestTTL: cfg.Cache.ManifestTTL},
		Limits: Limits(cfg),
	}
	if cfg.Auth.Mode == config.AuthService {
		o.SignIn, err = signin.New(SignIn(cfg.Auth))
	}
	return o, err
}

// Settings returns what the configuration says of what may change of the door
// while it serves. before is who clients sign in with so far; nil where they
// don't.
func Settings(cfg config.Config, before *signin.Door) (proxy.Settings, error) {
	s := proxy.Settings{Limits: Limits(cfg), Registry: registryLimits(cfg.Limits, cfg.Limits.UpstreamQueries)}
	var err error
	if s.Policies, err = Policies(cfg); err != nil || before == nil {
		return s, err
	}
	if s.SignIn, err = before.Next(SignIn(cfg.Auth)); err != nil {
		return s, err
	}
	s.Rules, err = rules(cfg.Auth.Rules)
	return s, err
}

// Limits returns what the configuration says of the bounds of requests, but for
// those of the registry.
func Limits(cfg config.Config) proxy.Limits {
	limits := cfg.Limits
	return proxy.Limits{
		ManifestTime: limits.ManifestTime,
		Patience:     wrap.Patience{Interval: limits.TransferInterval, Size: int64(limits.TransferSize)},
		Requests: wrap.Bounds{
			Rate: limits.Rate, Burst: limits.Burst, ClientRate: limits.ClientRate, ClientBurst: limits.ClientBurst,
			Concurrency: limits.Concurrency, ClientConcurrency: limits.ClientConcurrency, TrackedClients: limits.TrackedClients,
		},
		PageSize: limits.PageSize, ResponseSize: int(limits.ResponseSize),
		TagListSize: int64(limits.TagListSize), TagListPages: limits.TagListPages, CatalogTags: limits.CatalogTags, CoverageImages: limits.CoverageImages,
		QueryTime: cfg.Upstream.Timeouts.Query,
	}
}

// SignIn returns what the configuration says of how clients sign in.
func SignIn(cfg config.Auth) signin.Options {
	o := signin.Options{HtpasswdFile: cfg.HtpasswdFile, CacheTTL: cfg.CacheTTL}
	for _, issuer := range cfg.Issuers {
		o.Issuers = append(o.Issuers, signin.Issuer(issuer))
	}
	return o
}

// Registry returns what the configuration says of the registry as clients see it.
func Registry(cfg config.Config, store index.Store, behind *upstream.Registry, log *zap.Logger) (registry.Options, error) {
	order, err := index.ParseOrder(cfg.Referrers.Order)
	if err != nil {
		return registry.Options{}, fmt.Errorf("referrers.order: %w", err)
	}
	limits, referrers := cfg.Limits, cfg.Referrers
	o := registry.Options{
		Index: store, Upstream: behind, Log: log,
		Limits:        registryLimits(limits, limits.UpstreamQueries),
		SizeText:      func(bytes int64) string { return config.Size(bytes).String() },
		TagsElsewhere: tagsElsewhere(cfg),
		Order:         order, ReferrersTags: referrers.FallbackTags != config.FallbackOff,
		RecheckTag: referrers.RecheckTag, RecheckNative: referrers.RecheckNative, ListingTTL: referrers.TagListingTTL,
		HiddenTags: referrers.HiddenTags, Hide: hiding(cfg.Tags.Hide),
		PermissionTTL: cfg.Permissions.CacheTTL, Permissions: cfg.Permissions.CacheEntries,
		RequestTime: RequestTime(cfg),
	}
	if o.Policies, err = Policies(cfg); err != nil {
		return o, err
	}
	if cfg.Auth.Mode == config.AuthService {
		o.Rules, err = rules(cfg.Auth.Rules)
	}
	return o, err
}

// RequestTime is how long a push or delete may take effect after it was begun, at
// whichever registry. Where there are second registries what it needs is brought there
// before.
func RequestTime(cfg config.Config) time.Duration {
	timeouts := cfg.Upstream.Timeouts
	longest := timeouts.Connect + timeouts.ResponseHeader
	for _, route := range cfg.Upstream.Routes {
		longest = max(longest, cmp.Or(route.Timeouts.Connect, timeouts.Connect)+cmp.Or(route.Timeouts.ResponseHeader, timeouts.ResponseHeader))
	}
	bring := time.Duration(0)
	for _, store := range cfg.Referrers.Upstream {
		bring = max(bring, store.TransferTime()+timeouts.Connect+timeouts.ResponseHeader)
	}
	return longest + timeouts.Grace + bring
}

// registryLimits returns what bounds reading, holding and showing, with so many
// manifests read at once.
func registryLimits(limits config.Limits, concurrency int) registry.Limits {
	return registry.Limits{
		Manifest: index.ManifestLimits{
			Depth: limits.ManifestDepth, Descriptors: limits.ManifestDescriptors, Annotations: limits.ManifestAnnotations,
		},
		Size: int64(limits.ManifestSize), Memory: int64(limits.ManifestMemory),
		Annotations: int64(limits.ReferrerAnnotations), Descriptor: int(limits.DescriptorSize),
		Entries: limits.TagEntries, Listings: int64(limits.TagListings), ListEntries: limits.ListEntries,
		Subjects: limits.TrackedSubjects, Cascade: limits.Cascade, TreeNodes: limits.TreeNodes, Response: int(limits.ResponseSize),
		Concurrency: concurrency,
	}
}

// hiding reads tags.hide, whose values the configuration has checked.
func hiding(tags string) registry.Hiding {
	switch tags {
	case "referrers":
		return registry.HideReferrers
	case "referrers+cosign":
		return registry.HideReferrersAndCosign
	default:
		return registry.HideNothing
	}
}

// rules reads auth.rules.
func rules(list []config.Rule) (*policy.Access, error) {
	all := make([]policy.Rule, 0, len(list))
	for _, rule := range list {
		allow := make([]policy.Action, 0, len(rule.Allow))
		for _, action := range rule.Allow {
			allow = append(allow, policy.Action(action))
		}
		all = append(all, policy.Rule{
			Repositories: rule.Repositories, Users: rule.Users, Groups: rule.Groups, Anonymous: rule.Anonymous, Allow: allow,
		})
	}
	access, err := policy.NewAccess(all)
	if err != nil {
		return nil, fmt.Errorf("auth.rules: %w", err)
	}
	return access, nil
}
