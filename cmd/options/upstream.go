package options

import (
	"net/http"

	"github.com/backref/backref/config"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/upstream"
)

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
