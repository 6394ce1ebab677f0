package proxy

import (
	"net/http"

	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/upstream"
)

// origin returns where a request comes from, as the registry is told.
func (p *Proxy) origin(r *http.Request) upstream.Origin {
	from := upstream.Origin{Peer: wrap.PeerAddress(r)}
	if before := r.Header["X-Forwarded-For"]; len(before) > 0 && p.trusted(from.Peer) {
		from.Before = before
	}
	return from
}
