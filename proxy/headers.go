package proxy

import (
	"maps"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
)

// hopByHop are the headers that speak of one connection (RFC 9110, section
// 7.6.1), in canonical form.
var hopByHop = map[string]bool{
	"Connection":          true,
	"Keep-Alive":          true,
	"Proxy-Authenticate":  true,
	"Proxy-Authorization": true,
	"Proxy-Connection":    true,
	"Te":                  true,
	"Trailer":             true,
	"Transfer-Encoding":   true,
	"Upgrade":             true,
}

// copyEndToEnd copies the headers that are meant for the other end.
func copyEndToEnd(to, from http.Header) {
	copyOthers(to, from, hopByHop)
}

// copyOthers copies the headers that are neither left out nor named by
// Connection.
func copyOthers(to, from http.Header, leftOut map[string]bool) {
	named := from["Connection"]
	for name, values := range from {
		if leftOut[name] || len(named) > 0 && connectionNames(named, name) {
			continue
		}
		to[name] = values
	}
}

func connectionNames(lists []string, name string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if textproto.CanonicalMIMEHeaderKey(textproto.TrimString(item)) == name {
				return true
			}
		}
	}
	return false
}

// interpreted are the headers by which backref and the registry decide what a
// request is, in canonical form.
func interpreted() []string {
	return []string{
		"Authorization", "Cookie", "Host", "Content-Type", "Content-Length", "Content-Encoding", "Content-Range", "Range",
		"Accept", "Accept-Encoding", "If-Match", "If-None-Match", "If-Modified-Since", "Forwarded", "X-Forwarded-For", "X-Request-Id",
	}
}

// checkConnection refuses a request whose Connection header would make us drop
// a header that we have acted upon: the registry would get another request.
func checkConnection(header http.Header) error {
	named := header["Connection"]
	if len(named) == 0 {
		return nil
	}
	for _, name := range interpreted() {
		if connectionNames(named, name) {
			return oci.BadRequest(oci.CodeUnsupported, "Connection names "+name+", which is meant for the registry too: leave it out")
		}
	}
	return nil
}

// overrides are the headers by which some registries, or the servers before
// them, take a request for another one than its first line says, in canonical
// form.
func overrides() []string {
	return []string{
		"X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
		"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url",
		"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Scheme",
		"Forwarded", "X-Real-Ip",
	}
}

// notForRegistry returns the headers of a client's request that stay with us.
func notForRegistry() map[string]bool {
	names := maps.Clone(hopByHop)
	for _, name := range overrides() {
		names[name] = true
	}
	return names
}

// withoutSessions takes from a header the cookies of the web page, which a browser sends
// to all of a host: they are nothing for the registry.
func withoutSessions(header http.Header) {
	if len(header["Cookie"]) == 0 {
		return
	}
	var others []string
	for _, line := range header["Cookie"] {
		kept := slices.DeleteFunc(strings.Split(line, ";"), func(pair string) bool {
			return strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(pair), "__Secure-"), sessionCookies)
		})
		if len(kept) > 0 {
			others = append(others, strings.TrimSpace(strings.Join(kept, ";")))
		}
	}
	header["Cookie"] = others
	if len(others) == 0 {
		header.Del("Cookie")
	}
}

// sessionCookies is what the names of all cookies of the web page begin with.
const sessionCookies = "backref_"

// upstreamHeader returns the header to send to the registry for a client's
// request. How the client reached us stays with us, since links are rewritten
// on their way back; only its address is passed on.
func (p *Proxy) upstreamHeader(r *http.Request) http.Header {
	header := make(http.Header, len(r.Header)+3)
	copyOthers(header, r.Header, p.staying)
	withoutSessions(header)
	if slices.Contains(r.Header["Te"], "trailers") {
		header["Te"] = []string{"trailers"}
	}
	if _, given := header["User-Agent"]; !given {
		// Keeps the transport from adding its own.
		header["User-Agent"] = []string{""}
	}
	chain := p.origin(r).ForwardedFor()
	if chain == "" {
		header.Del("X-Forwarded-For")
		return header
	}
	header["X-Forwarded-For"] = []string{chain}
	header["X-Request-Id"] = []string{requestID(r)}
	return header
}

// trusted tells whether the peer may say on whose behalf it speaks.
func (p *Proxy) trusted(peer netip.Addr) bool {
	return wrap.Proxies(p.options.TrustedProxies).Trust(peer)
}

// validHost accepts a host with or without port.
func validHost(host string) bool {
	if host == "" {
		return false
	}
	u, err := url.Parse("http://" + host)
	return err == nil && u.Host == host && u.Hostname() != "" && u.User == nil && u.Path == ""
}

// rewriteLinks turns Location and Link headers that point at the registry into
// ones that point at us: paths, which clients resolve against whatever address
// they have reached us by. Those that lead to storage elsewhere stay.
func (p *Proxy) rewriteLinks(header http.Header, r *http.Request) {
	for i, location := range header["Location"] {
		if rewritten, ok := p.rewriteURL(location, r); ok {
			header["Location"] = replaced(header["Location"], i, rewritten)
		}
	}
	for i, link := range header["Link"] {
		rewritten, ok := oci.ReplaceTargets(link, func(target string) (string, bool) { return p.rewriteURL(target, r) })
		if ok {
			header["Link"] = replaced(header["Link"], i, rewritten)
		}
	}
}

// foreignLocation finds a Location that no client of a registry has any use
// for, such as a file on its own machine.
func foreignLocation(header http.Header) (location *url.URL, wrong bool) {
	for _, value := range header["Location"] {
		u, err := url.Parse(value)
		if err == nil && u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
			return u, true
		}
	}
	return nil, false
}

// replaced leaves the given slice as it is, since it is the response's own.
func replaced(values []string, i int, value string) []string {
	values = slices.Clone(values)
	values[i] = value
	return values
}

func (p *Proxy) rewriteURL(target string, r *http.Request) (string, bool) {
	u, err := url.Parse(target)
	if err != nil {
		return "", false
	}
	prefix, called := entryOf(r).prefix, entryOf(r).called
	local, ours := p.upstream.ClientPath(u)
	switch {
	case ours:
		return prefix + called.back(local).String(), true
	case (prefix != "" || called != nil) && u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		// It is a path of ours already.
		if called != nil {
			target = called.back(u).String()
		}
		return prefix + target, true
	default:
		return "", false
	}
}
