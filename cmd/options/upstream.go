package options

import (
	"cmp"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
	"github.com/backref/backref/upstream/split"
)

// Behind returns the registry at upstream.url with all that is behind it: what is made
// up for there, as a journal remembers it, what stands beside it, and the further
// registries of the routes. adapt may add to the options of each. What it returns is to
// be closed.
func Behind(cfg config.Upstream, beside split.Options, journal index.Journal, log *zap.Logger, adapt func(*upstream.Options)) (*upstream.Registry, *routes.Table, error) {
	var list []routes.Route
	for i, route := range cfg.Routes {
		o := Route(cfg, i)
		o.Shims = shims(cfg.Shims.Of(route.Shims), below{route.Prefix, index.Aliases{Journal: journal}}, journal, log)
		adapt(&o)
		// They are counted of the registry at upstream.url.
		o.Metrics = nil
		registry, err := upstream.New(o)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, routes.Route{
			Key: o.Key, Prefix: route.Prefix, Hosts: route.Hosts, Namespaces: route.Namespaces,
			Library: route.Library, Rate: route.Rate, Registry: registry,
		})
	}
	o := Upstream(cfg)
	o.Shims = Shims(cfg.Shims, journal, log)
	adapt(&o)
	o = beside.Around(o)
	var table *routes.Table
	if len(list) > 0 {
		var err error
		if table, err = routes.New(list); err != nil {
			return nil, nil, err
		}
		o.Shims = append(o.Shims, table.Shim())
	}
	registry, err := upstream.New(o)
	return registry, table, err
}

// Route returns what the configuration says of the registry of a route, by its place
// in the list.
func Route(cfg config.Upstream, at int) upstream.Options {
	route := cfg.Routes[at]
	own, timeouts := cfg, &cfg.Timeouts
	own.URL, own.Service, own.TLS = route.URL, route.Service, route.TLS
	own.Timeouts.Connect = cmp.Or(route.Timeouts.Connect, timeouts.Connect)
	own.Timeouts.ResponseHeader = cmp.Or(route.Timeouts.ResponseHeader, timeouts.ResponseHeader)
	own.Timeouts.Stall = cmp.Or(route.Timeouts.Stall, timeouts.Stall)
	own.Timeouts.Idle = cmp.Or(route.Timeouts.Idle, timeouts.Idle)
	o := Upstream(own)
	o.Key = route.Key(at)
	return o
}

// Upstream returns what the configuration says of the registry. Proxies
// are named by the variables that other programs have them from, too:
// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, upper or lower case.
func Upstream(cfg config.Upstream) upstream.Options {
	return upstream.Options{
		URL:     cfg.URL,
		Service: upstream.Service(cfg.Service),
		TLS:     upstream.TLS(cfg.TLS),
		Timeouts: upstream.Timeouts{
			Connect:        cfg.Timeouts.Connect,
			ResponseHeader: cfg.Timeouts.ResponseHeader,
			Stall:          cfg.Timeouts.Stall,
			Idle:           cfg.Timeouts.Idle,
			Query:          cfg.Timeouts.Query,
		},
		MaxIdleConnections: cfg.MaxIdleConnections,
		StandardTransport:  cfg.Transport == config.TransportStandard,
		Proxy:              http.ProxyFromEnvironment,
		Watch:              wrap.UpstreamWatch{},
	}
}
