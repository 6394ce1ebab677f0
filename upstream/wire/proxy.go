package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// newProxied returns the way by proxies. A proxy that is spoken to by TLS itself
// is shown no certificate: that is for the server behind it, to which a tunnel
// leads.
func newProxied(o Options) *http.Transport {
	dialer := net.Dialer{Timeout: o.Connect}
	proxied := newStandard(o, dialer.DialContext)
	proxied.Proxy = o.Proxy
	speak := o.TLS.Clone()
	speak.Certificates, speak.GetClientCertificate, speak.ServerName = nil, nil, ""
	speak.NextProtos = []string{"http/1.1"}
	// All that goes this way goes to a proxy first, so that TLS is spoken by this
	// function to proxies alone.
	proxied.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Connect, unbounded))
		defer cancel()
		secure := tls.Dialer{NetDialer: &dialer, Config: speak}
		return secure.DialContext(ctx, network, address)
	}
	return proxied
}

// byProxy sends a request by a proxy. What that says for itself, that it wants
// credentials, is no answer of the server's.
func (t *Transport) byProxy(req *http.Request) (*http.Response, error) {
	resp, err := t.watch(t.proxied, req)
	if err == nil && req.URL.Scheme == "http" && resp.StatusCode == http.StatusProxyAuthRequired {
		return nil, closeFailed(resp, ErrProxy)
	}
	return resp, err
}
