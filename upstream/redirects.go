package upstream

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/backref/backref/upstream/wire"
)

// maxRedirects is how many redirects one question follows, as Go's own client
// does.
const maxRedirects = 10

// errTurnedAway means that a redirect led to something else than an answer, such
// as a page to sign in on. It comes with [ErrUnreachable]: nothing is known of
// what was asked for.
var errTurnedAway = errors.New("the redirect did not lead to an answer")

// follow sends a question of backref's own and goes where the registry sends
// it, as the registry's clients do (RFC 9110, section 15.4). To another host no
// credentials go along, and none is asked that a client could not be sent to. A
// redirect that is not followed is a [*StatusError].
func (r *Registry) follow(ctx context.Context, as Credentials, method string, target *url.URL, header http.Header) (*http.Response, error) {
	asked := *target
	req := newQuery(method, &asked, header.Clone())
	resp, err := r.do(ctx, as, req)
	here := &asked         // which is where the request went, by now
	at := r.behind(target) // which is whose rules count
	for hops := 1; err == nil; hops++ {
		next := redirectOf(resp, here)
		if next == nil {
			return resp, nil
		}
		reason := r.unfit(at, here, next)
		if hops > maxRedirects {
			reason = fmt.Sprintf("it is the %dth in a row", hops)
		}
		if reason != "" {
			// Whatever gives a right to what is there stands in the query.
			shown := url.URL{Scheme: next.Scheme, Host: next.Host, Path: next.Path}
			err := fmt.Errorf("%w: the redirect to %s is not followed: %s", statusError(resp), shown.String(), reason)
			closeBody(resp.Body)
			return nil, err
		}
		closeBody(resp.Body)
		here = next
		resp, err = r.ask1(ctx, as, method, at, here, header, resp)
	}
	return nil, err
}

// ask1 sends a question to where a redirect of one of the registries leads.
func (r *Registry) ask1(ctx context.Context, as Credentials, method string, at *Registry, to *url.URL, header http.Header, from *http.Response) (*http.Response, error) {
	target := *to
	local, ours := r.local(to)
	if ours {
		target = *local
	}
	req := newQuery(method, &target, header.Clone())
	req.Response = from
	var resp *http.Response
	var err error
	if ours {
		// A client goes where it is sent, and adds nothing to that.
		resp, err = r.do(ctx, as.Within(""), req)
	} else {
		req.Header.Set("User-Agent", "backref")
		resp, err = at.by(at.ways.Load().elsewhere, false).RoundTrip(req.WithContext(ctx))
	}
	if err == nil && !counts(resp, to, ours) {
		closeBody(resp.Body)
		return nil, fmt.Errorf("%w: %w: %s answered %d %s", ErrUnreachable, errTurnedAway, to.Host, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return resp, err
}

// counts tells whether the status of an answer says something of what the
// registry was asked for: another host has no word on the client, and only a
// registry knows what it has not.
func counts(resp *http.Response, from *url.URL, ours bool) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ours
	case http.StatusNotFound:
		return strings.HasPrefix(from.Path, "/v2/") || ours && strings.Contains(from.Path, "/v2/")
	default:
		return true
	}
}

// redirectOf returns where a response sends on to; nil where it doesn't.
func redirectOf(resp *http.Response, here *url.URL) *url.URL {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || *location == (url.URL{}) {
		return nil
	}
	next := here.ResolveReference(location)
	next.Fragment, next.RawFragment = "", ""
	return next
}

// redirected tells whether a response came by a redirect.
func redirected(resp *http.Response) bool {
	return resp.Request != nil && resp.Request.Response != nil
}

// local returns the path and query, as a client writes them, of a URL that leads
// to the registry itself.
func (r *Registry) local(u *url.URL) (*url.URL, bool) {
	if upgrade := r.base.Scheme == "http" && u.Scheme == "https"; upgrade || !sameHost(u, r.base) {
		return nil, false
	}
	escaped, below := strings.CutPrefix(u.EscapedPath(), r.base.Path)
	path, err := url.PathUnescape(escaped)
	if !below || err != nil || !strings.HasPrefix(escaped, "/") || strings.HasPrefix(escaped, "//") {
		return nil, false
	}
	return &url.URL{Path: path, RawPath: escaped, RawQuery: u.RawQuery}, true
}

// unfit says why a redirect of one of the registries is not followed from here; empty
// where it is.
func (r *Registry) unfit(at *Registry, here, next *url.URL) string {
	local, ours := r.local(next)
	switch {
	case ours && r.behind(local) != at:
		// What one registry sends on to must not be had with the credentials for another.
		return "it leads to another of the registries behind the proxy"
	case next.Scheme != "http" && next.Scheme != "https" || next.Host == "" || next.User != nil:
		return "no client of a registry could be sent there"
	case ours:
		return ""
	case at.base.Scheme == "http" && next.Scheme == "https" && strings.EqualFold(next.Hostname(), at.base.Hostname()):
		return "set " + at.options.key("url") + " to https, which the registry wants"
	case next.Scheme == "http" && (here.Scheme == "https" || at.base.Scheme == "https"):
		return "it leads from https to http"
	default:
		return ""
	}
}

// newElsewhereTransport returns the way to where the registry redirects to. As
// with its token service, no certificate of ours is shown there, and an answer
// that lies must not lead to what only this machine, or its network, can reach.
func newElsewhereTransport(o Options, options wire.Options) *wire.Transport {
	options.Proxy = checkedProxy(o.Proxy, func(ctx context.Context, address string) error {
		// By a proxy the registry is found without knowing where it is.
		home, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", o.URL.Hostname())
		return checkElsewhere(address, home)
	})
	options.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		home, err := net.DefaultResolver.LookupNetIP(ctx, "ip", o.URL.Hostname())
		if err != nil {
			return nil, err
		}
		dialer := net.Dialer{Timeout: o.Timeouts.Connect, Control: func(_, peer string, _ syscall.RawConn) error {
			return checkElsewhere(peer, home)
		}}
		return dialer.DialContext(ctx, network, address)
	}
	return wire.New(withoutCertificate(options))
}

// vicinity says from where an address can be reached.
type vicinity int

const (
	// nowhere: it is no address of a server.
	nowhere vicinity = iota
	thisMachine
	thisLink
	privateNetwork
	anywhere
)

// checkElsewhere refuses the addresses that a client could not be sent to:
// those of this machine, its link (where metadata services are) and its private
// network, unless the registry is at such a one itself.
func checkElsewhere(address string, registry []netip.Addr) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no address", errTurnedAway, address)
	}
	near := vicinityOf(peer.Addr())
	if near == anywhere {
		return nil
	}
	for _, home := range registry {
		at := vicinityOf(home)
		if near != nowhere && (near == at || near == privateNetwork && at == thisMachine) {
			return nil
		}
	}
	return fmt.Errorf("%w: it leads to %s, where no client could be sent", errTurnedAway, peer.Addr())
}

func vicinityOf(ip netip.Addr) vicinity {
	ip = ip.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(ip) {
		inner := ip.As16()
		ip = netip.AddrFrom4([4]byte(inner[12:]))
	}
	switch {
	case !ip.IsValid() || ip.IsMulticast() || ip.IsUnspecified() || within(ip, "0.0.0.0/8", "240.0.0.0/4"):
		return nowhere
	case ip.IsLoopback():
		return thisMachine
	case ip.IsLinkLocalUnicast():
		return thisLink
	case ip.IsPrivate() || within(ip, "100.64.0.0/10", "198.18.0.0/15", "fec0::/10"):
		return privateNetwork
	default:
		return anywhere
	}
}

func within(ip netip.Addr, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if netip.MustParsePrefix(prefix).Contains(ip) {
			return true
		}
	}
	return false
}

// IsPage tells whether a response is a page for people.
func IsPage(resp *http.Response) bool {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && (mediaType == "text/html" || mediaType == "application/xhtml+xml")
}

// Elsewhere returns the way to where the registry refers clients to that is not the
// registry: storage and token services. No certificate of ours is shown there, and what
// only this machine, or its network, can reach is not reached, unless the registry is
// there itself.
func (r *Registry) Elsewhere() http.RoundTripper {
	return r.by(r.ways.Load().elsewhere, false)
}
