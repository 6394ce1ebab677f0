package proxy

import (
	"net/http"
	"net/url"
)

// PagesPath is the path below which the web page is, for those who reach the proxy as
// clients of the registry do. It is outside /v2/, so that no repository can be meant.
const PagesPath = pagesPath

const pagesPath = "/_backref/ui"

// ClientURL returns the address by which the client that made a request to the proxy
// reaches a path of it: server.publicURL, else what a trusted proxy says, else what the
// request does.
func (p *Proxy) ClientURL(r *http.Request, path string) *url.URL { return p.clientURL(r, path) }

// ClientPrefix returns what the client that made a request to the proxy has before its
// paths; empty for nothing.
func (p *Proxy) ClientPrefix(r *http.Request) string { return entryOf(r).prefix }
