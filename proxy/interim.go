package proxy

import (
	"context"
	"maps"
	"net/http"
	"sync"

	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/upstream"
)

// interim is the context of a client's own request to the registry. It passes
// informational responses (RFC 9110, section 15.2) on to the client until the
// final one is there.
type interim struct {
	context.Context //nolint:containedctx // It is one.

	proxy   *Proxy
	request *http.Request
	client  http.ResponseWriter

	mutex sync.Mutex
	over  bool
}

// interimOf returns the context for a request to the registry.
func (p *Proxy) interimOf(r *http.Request) *interim {
	return &interim{Context: r.Context(), proxy: p, request: r, client: wrap.EntryOf(r).Answer()}
}

// Value implements [context.Context].
func (i *interim) Value(key any) any {
	if key == any(upstream.InterimKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// end passes nothing more on.
func (i *interim) end() {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.over = true
}

// Interim implements [upstream.Interim]. "100 Continue" is the server's own,
// when the body is asked for; HTTP/1.0 knows none of them.
func (i *interim) Interim(status int, header http.Header) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.over || i.client == nil || status == http.StatusContinue || !i.request.ProtoAtLeast(1, 1) {
		return
	}
	sent := i.client.Header()
	kept := maps.Clone(sent)
	clear(sent)
	copyEndToEnd(sent, header)
	if i.proxy.asService(i.request) {
		_ = own(&http.Response{Header: sent})
	}
	i.proxy.rewriteLinks(sent, i.request)
	i.client.WriteHeader(status)
	clear(sent)
	maps.Copy(sent, kept)
}
