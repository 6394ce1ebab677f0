package proxy

import "net/http"

// getBlob passes the download of a blob through (end-2). Between two plain
// connections the system moves it.
func (p *Proxy) getBlob(w http.ResponseWriter, r *http.Request, target path) {
	if r.TLS != nil || r.ProtoMajor != 1 || r.ContentLength != 0 {
		p.passthrough(w, r, target)
		return
	}
	resp, err := p.exchange(r, p.outgoing(r, &http.Request{}), p.upstream.Stream, p.upstream.StreamAs)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	p.relay(w, r, resp)
}
