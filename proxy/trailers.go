package proxy

import (
	"net/http"
	"slices"
)

// announceTrailers names the trailers that the registry has announced.
func announceTrailers(header, trailer http.Header) {
	for name := range trailer {
		header.Add("Trailer", name)
	}
}

// passTrailers passes trailers on after the body (RFC 9110, section 6.5),
// those too that the registry did not announce.
func passTrailers(w http.ResponseWriter, trailer http.Header) {
	if len(trailer) == 0 {
		return
	}
	header := w.Header()
	announced := header["Trailer"]
	for name, values := range trailer {
		switch {
		case slices.Contains(announced, name):
			header[name] = values
		case trails(name):
			// Only a body in chunks has room for them.
			_ = http.NewResponseController(w).Flush()
			header[http.TrailerPrefix+name] = values
		}
	}
}

// trails tells whether a field, in canonical form, may stand in a trailer: not
// one by which a message is framed, routed, or let in, or its body read.
func trails(name string) bool {
	switch name {
	case "Authorization", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Host", "Location",
		"Proxy-Authenticate", "Proxy-Authorization", "Set-Cookie", "Trailer", "Transfer-Encoding", "Www-Authenticate":
		return false
	default:
		return !hopByHop[name]
	}
}
