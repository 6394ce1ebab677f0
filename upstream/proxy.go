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

	"github.com/backref/backref/upstream/wire"
)

// errOddHost means that a proxy might take the host of a URL for an address that
// is written in another way, such as 127.1.
var errOddHost = errors.New("its host is an address in a form of its own")

// proxyFunc is what tells the proxy for a request.
type proxyFunc = func(*http.Request) (*url.URL, error)

// checkedProxy returns proxy for requests to where the registry says. What a
// name stands for is known to the proxy alone, and what it can reach is for those
// who run it to bound; an address in a URL is checked as without a proxy.
func checkedProxy(proxy proxyFunc, check func(ctx context.Context, address string) error) proxyFunc {
	if proxy == nil {
		return nil
	}
	return func(req *http.Request) (*url.URL, error) {
		through, err := proxy(req)
		if through == nil || err != nil {
			return nil, err
		}
		host := req.URL.Hostname()
		address, err := netip.ParseAddr(host)
		switch {
		case loopbackName(host):
			address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case err != nil && endsInNumber(host):
			return nil, fmt.Errorf("%w: %q", errOddHost, host)
		case err != nil:
			return through, nil
		}
		return through, check(req.Context(), net.JoinHostPort(address.String(), wire.Port(req.URL)))
	}
}

// loopbackName tells whether a name stands for the machine that looks it up (RFC
// 6761, section 6.3).
func loopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// endsInNumber tells whether a name may be read as an IPv4 address: by its last
// part, decimal or hexadecimal.
func endsInNumber(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, is := strings.CutPrefix(last, "0x"); is {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}
