package proxy_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
)

// front is a way for clients to reach a proxy.
type front struct {
	name, url string
	client    *http.Client
}

// fronts returns the ways there are: plain HTTP/1.1, and HTTP/1.1 and HTTP/2
// over TLS.
func (f *fixture) fronts() []front {
	f.t.Helper()
	fronts := []front{{"HTTP/1.1", f.url, &http.Client{Transport: &http.Transport{}}}}
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(f.proxy)
		server.EnableHTTP2 = http2
		server.StartTLS()
		f.t.Cleanup(server.Close)
		transport := &http.Transport{TLSClientConfig: server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), ForceAttemptHTTP2: http2}
		if !http2 {
			transport.TLSClientConfig.NextProtos = nil
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		name := map[bool]string{false: "HTTP/1.1 over TLS", true: "HTTP/2"}[http2]
		fronts = append(fronts, front{name, server.URL, &http.Client{Transport: transport}})
	}
	for _, front := range fronts {
		f.t.Cleanup(front.client.CloseIdleConnections)
	}
	return fronts
}
