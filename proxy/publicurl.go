package proxy

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
)

// hints are what the operator has been told about the way to us.
type hints struct {
	proto, host atomic.Bool
}

// clientURL returns the address by which the client reaches a path of ours:
// server.publicURL, else what a trusted proxy says, else what the request does.
func (p *Proxy) clientURL(r *http.Request, path string) *url.URL {
	if public := p.options.PublicURL; public != nil {
		return &url.URL{Scheme: public.Scheme, Host: public.Host, Path: entryOf(r).prefix + path}
	}
	scheme, host := p.clientBase(r)
	return &url.URL{Scheme: scheme, Host: host, Path: entryOf(r).prefix + path}
}

// clientBase returns scheme and host by which the client reached us.
func (p *Proxy) clientBase(r *http.Request) (scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if len(p.options.TrustedProxies) == 0 || !p.trusted(wrap.PeerAddress(r)) {
		return scheme, host
	}
	forwardedScheme, forwardedHost := forwarded(r.Header)
	if forwardedScheme == "http" || forwardedScheme == "https" {
		scheme = forwardedScheme
	}
	if validHost(forwardedHost) {
		host = forwardedHost
	} else {
		p.tellHost(r)
	}
	return scheme, withPort(host, firstOf(r.Header, "X-Forwarded-Port"))
}

// forwarded reads Forwarded (RFC 7239), else the X-Forwarded headers. Where
// several proxies added to them, the first entry is nearest to the client.
func forwarded(header http.Header) (scheme, host string) {
	first, _, _ := strings.Cut(header.Get("Forwarded"), ",")
	for pair := range strings.SplitSeq(first, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "proto":
			scheme = strings.ToLower(value)
		case "host":
			host = value
		}
	}
	if scheme == "" {
		scheme = strings.ToLower(firstOf(header, "X-Forwarded-Proto"))
	}
	if host == "" {
		host = firstOf(header, "X-Forwarded-Host")
	}
	return scheme, host
}

// firstOf returns the first entry of a header that is a list.
func firstOf(header http.Header, name string) string {
	first, _, _ := strings.Cut(header.Get(name), ",")
	return strings.TrimSpace(first)
}

// withPort adds the port that a proxy says it was reached at to a host without
// one. Those that a scheme stands for are left out: proxies name them where
// another one before them speaks TLS.
func withPort(host, forwarded string) string {
	if u, err := url.Parse("http://" + host); err != nil || u.Port() != "" || forwarded == "80" || forwarded == "443" {
		return host
	}
	if joined := net.JoinHostPort(strings.Trim(host, "[]"), forwarded); forwarded != "" && validHost(joined) {
		return joined
	}
	return host
}

// clientPrefix returns what clients have before our paths, where a proxy before
// us takes it away: that of server.publicURL, else what a trusted proxy says.
// Proxies that are passed one after the other each add theirs.
func (p *Proxy) clientPrefix(r *http.Request) string {
	if public := p.options.PublicURL; public != nil {
		return strings.TrimRight(public.EscapedPath(), "/")
	}
	given := r.Header["X-Forwarded-Prefix"]
	if len(given) == 0 || len(p.options.TrustedProxies) == 0 || !p.trusted(wrap.PeerAddress(r)) {
		return ""
	}
	var prefix strings.Builder
	for part := range strings.SplitSeq(strings.Join(given, ","), ",") {
		part = strings.TrimRight(strings.TrimSpace(part), "/")
		if part != "" && !p.options.ValidPrefix(part) {
			return ""
		}
		prefix.WriteString(part)
	}
	return prefix.String()
}

// withPrefix returns a Link header of ours as a client has to see it.
func withPrefix(r *http.Request, links []string) []string {
	e := entryOf(r)
	if e.prefix == "" && e.called == nil || len(links) == 0 {
		return links
	}
	named, _ := oci.ReplaceTargets(links[0], func(target string) (string, bool) {
		if u, err := url.Parse(target); err == nil && e.called != nil {
			target = e.called.back(u).String()
		}
		return e.prefix + target, true
	})
	return []string{named}
}

// tellForwarded tells the operator once that a proxy before us ends TLS and is
// not believed.
func (p *Proxy) tellForwarded(r *http.Request) {
	if r.TLS != nil || p.hints.proto.Load() || p.options.PublicURL != nil {
		return
	}
	if len(r.Header["X-Forwarded-Proto"]) == 0 && len(r.Header["Forwarded"]) == 0 {
		return
	}
	if scheme, _ := forwarded(r.Header); scheme != "https" || p.trusted(wrap.PeerAddress(r)) || p.hints.proto.Swap(true) {
		return
	}
	p.log.Warn("a peer says that its clients use HTTPS, and is not believed: if it is a proxy of yours, set server.trustedProxies to its address, or server.publicURL",
		zap.String("peer", r.RemoteAddr))
}

// tellHost tells the operator once that a trusted proxy hides the name by which
// clients know it: what it sends as Host is where it reaches us.
func (p *Proxy) tellHost(r *http.Request) {
	here, known := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !known || r.Host != here.String() || p.hints.host.Swap(true) {
		return
	}
	p.log.Warn("a trusted proxy does not say by which host clients reach it: have it send X-Forwarded-Host, or set server.publicURL",
		zap.String("peer", r.RemoteAddr), zap.String("host", r.Host))
}
