package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/backref/backref/upstream/wire"
)

// ErrNoRealm means that the registry names no token service that backref
// could pass requests on to.
var ErrNoRealm = errors.New("the upstream registry names no usable token service")

// newRealmTransport returns the way to the registry's token service. It is
// another than the registry's: the client certificate is for that alone, and
// an answer that lies must not lead to what only this machine can reach.
func newRealmTransport(o Options, options wire.Options) *wire.Transport {
	onThisMachine := loopback(o.URL.Hostname())
	check := func(address string) error { return checkRealmAddress(address, onThisMachine) }
	options.DialContext = (&net.Dialer{
		Timeout: o.Timeouts.Connect,
		Control: func(_, address string, _ syscall.RawConn) error { return check(address) },
	}).DialContext
	options.Proxy = checkedProxy(o.Proxy, func(_ context.Context, address string) error { return check(address) })
	return wire.New(withoutCertificate(options))
}

// checkRealmAddress refuses the addresses that no token service has: those of
// metadata services (link-local), and this machine's own unless the registry
// is there too.
func checkRealmAddress(address string, onThisMachine bool) error {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no address", ErrNoRealm, address)
	}
	ip := peer.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.IsLoopback() && !onThisMachine {
		return fmt.Errorf("%w: it is at %s", ErrNoRealm, ip)
	}
	return nil
}

// Realm asks the registry, as an anonymous client, for its challenge, and
// returns the address of the token service in it. [ErrNoRealm] means that
// there is none that requests may be passed on to. Other errors:
// [ErrUnreachable].
func (r *Registry) Realm(ctx context.Context) (*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, r.queries)
	defer cancel()
	resp, err := r.RoundTrip(newQuery(http.MethodGet, &url.URL{Path: "/v2/"}, http.Header{}).WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("ask upstream for its challenge: %w", err)
	}
	defer closeBody(resp.Body)
	var found string
	for _, value := range resp.Header["Www-Authenticate"] {
		RewriteRealm(value, func(realm string) string {
			if found == "" {
				found = realm
			}
			return realm
		})
	}
	return r.parseRealm(found)
}

func (r *Registry) parseRealm(text string) (*url.URL, error) {
	realm, err := url.Parse(text)
	switch {
	case text == "":
		return nil, fmt.Errorf("%w: its answer to /v2/ has no Bearer challenge", ErrNoRealm)
	case err != nil || realm.Host == "" || realm.User != nil || realm.Scheme != "https" && realm.Scheme != "http":
		return nil, fmt.Errorf("%w: %q is no URL of one", ErrNoRealm, text)
	case realm.Scheme == "http" && r.base.Scheme == "https":
		return nil, fmt.Errorf("%w: %q would get passwords in the clear", ErrNoRealm, text)
	}
	realm.Fragment = ""
	return realm, nil
}

// byHost sends requests to the registry by one transport and those to token
// services elsewhere by another, which shows them no certificate of ours.
type byHost struct {
	host             string
	registry, others http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b byHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == b.host {
		return b.registry.RoundTrip(req)
	}
	return b.others.RoundTrip(req)
}

// RoundTripRealm sends a token request, whose URL holds only the query, to a
// token service that [Registry.Realm] named. Redirects are not followed.
func (r *Registry) RoundTripRealm(req *http.Request, realm *url.URL) (*http.Response, error) {
	target := *realm
	target.RawQuery = strings.Trim(realm.RawQuery+"&"+req.URL.RawQuery, "&")
	req.URL, req.Host = &target, ""
	ways := r.ways.Load()
	by := ways.realm
	if target.Scheme == r.base.Scheme && sameHost(&target, r.base) {
		by = ways.transport
	}
	resp, err := r.by(by, by == ways.transport).RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("token service: %w", err)
	}
	return resp, nil
}
