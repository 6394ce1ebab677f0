package wrap

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// IdentifyOptions are what [Identify] needs; all are required but Proxies.
type IdentifyOptions struct {
	// Open returns the entry of a request, with its Door. The door may keep the
	// entry within what else it knows of the request.
	Open func(r *http.Request) *Entry
	// Proxies are those that may give a request its identifier.
	Proxies Proxies
}

// Identify gives each request an [Entry] and an identifier: that of a trusted
// proxy before us, else one of our own. The client is told it as X-Request-Id.
func Identify(o IdentifyOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := o.Open(r)
			e.Context, e.request, e.proxies = r.Context(), r, o.Proxies
			if given := r.Header.Get("X-Request-Id"); validRequestID(given) && o.Proxies.Trust(PeerAddress(r)) {
				e.id = given
			} else {
				e.id = rand.Text()
			}
			w.Header().Set("X-Request-Id", e.id)
			next.ServeHTTP(w, r.WithContext(e))
		})
	}
}

// maxRequestID bounds an identifier, in bytes.
const maxRequestID = 128

func validRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && strings.IndexFunc(id, func(c rune) bool {
		return c <= ' ' || c > '~' || c == '"' || c == '\\'
	}) < 0
}
