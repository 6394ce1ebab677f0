package proxy

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/wrap"
)

// PagesPath is the path below which the web page is, for those who reach the proxy as
// clients of the registry do. It is outside /v2/, so that no repository can be meant.
const PagesPath = pagesPath

const pagesPath = "/_backref/ui"

// looksAtCredentials tells whether somebody looks at the credentials in the header of a
// request: pages have sessions, and answer whoever sends whatever there.
func looksAtCredentials(r *http.Request) bool {
	return entryOf(r).path.endpoint != endpointPages
}

// ClientURL returns the address by which the client that made a request to the proxy
// reaches a path of it: server.publicURL, else what a trusted proxy says, else what the
// request does.
func (p *Proxy) ClientURL(r *http.Request, path string) *url.URL { return p.clientURL(r, path) }

// ClientPrefix returns what the client that made a request to the proxy has before its
// paths; empty for nothing.
func (p *Proxy) ClientPrefix(r *http.Request) string { return entryOf(r).prefix }

// ClientAddress returns the address that the client counts by that made a request to the
// proxy: for IPv6 that of its network; behind trusted proxies what these say.
func (p *Proxy) ClientAddress(r *http.Request) netip.Addr {
	return wrap.Proxies(p.options.TrustedProxies).ClientNetwork(r)
}

// Who returns the client that sends a header, as auth.mode service knows clients: it is
// to be asked in that mode alone. Errors are those of [signin.Door.Who].
func (p *Proxy) Who(ctx context.Context, header http.Header) (policy.Client, error) {
	return p.access.present.Load().door.Who(ctx, header)
}
