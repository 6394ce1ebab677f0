package wrap

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies before us that are trusted: those
// that may say on whose behalf they speak.
type Proxies []netip.Prefix

// Trust tells whether a peer is one of the proxies.
func (p Proxies) Trust(peer netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(peer) {
			return true
		}
	}
	return false
}

// PeerAddress returns the address at the other end of the connection; the zero
// address where there is none.
func PeerAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

// clientAddress returns the address that a request comes from: that of the
// peer or, where trusted proxies passed it on, what the last of them says.
func (p Proxies) clientAddress(r *http.Request) netip.Addr {
	address := PeerAddress(r)
	if len(p) == 0 || !p.Trust(address) {
		return address
	}
	for _, hop := range slices.Backward(forwardedFor(r.Header)) {
		before, err := parseNode(hop)
		if err != nil {
			return address
		}
		if address = before; !p.Trust(address) {
			return address
		}
	}
	return address
}

// ClientNetwork returns what counts as one client without credentials: the address that
// a request comes from or, for IPv6, that of its /64.
func (p Proxies) ClientNetwork(r *http.Request) netip.Addr { return network(p.clientAddress(r)) }

// forwardedFor reads Forwarded (RFC 7239), else X-Forwarded-For: by whom the
// request was passed on, the nearest to us last.
func forwardedFor(header http.Header) []string {
	var hops []string
	for _, line := range header["Forwarded"] {
		for element := range strings.SplitSeq(line, ",") {
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				if strings.EqualFold(name, "for") {
					hops = append(hops, strings.Trim(value, `"`))
				}
			}
		}
	}
	if len(hops) > 0 {
		return hops
	}
	for _, line := range header["X-Forwarded-For"] {
		for hop := range strings.SplitSeq(line, ",") {
			hops = append(hops, strings.TrimSpace(hop))
		}
	}
	return hops
}

// parseNode reads an address with or without a port.
func parseNode(text string) (netip.Addr, error) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap(), nil
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap(), err
}

// network is what counts as one client without credentials: an IPv4 address,
// or the /64 that an IPv6 host chooses its addresses from.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, err := address.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}
