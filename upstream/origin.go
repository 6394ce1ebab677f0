package upstream

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"strings"
)

// Origin is where a client's request comes from. The zero value is backref
// itself.
type Origin struct {
	// Peer is the address at the other end of the connection.
	Peer netip.Addr
	// Before are the values of X-Forwarded-For that the peer sent; empty where
	// it is not to be believed.
	Before []string
}

// originOf reads the origin that a request tells the registry.
func originOf(header http.Header) Origin {
	chain := strings.Split(strings.Join(header["X-Forwarded-For"], ", "), ", ")
	last := len(chain) - 1
	peer, err := netip.ParseAddr(chain[last])
	if err != nil {
		return Origin{}
	}
	return Origin{Peer: peer, Before: chain[:last]}
}

// ForwardedFor returns what the registry is told as X-Forwarded-For; empty for
// the zero Origin.
func (o Origin) ForwardedFor() string {
	switch {
	case !o.Peer.IsValid():
		return ""
	case len(o.Before) == 0:
		return o.Peer.String()
	}
	return strings.Join(o.Before, ", ") + ", " + o.Peer.String()
}

// appendTo appends the origin in a form in which different ones differ,
// whatever follows.
func (o Origin) appendTo(b []byte) []byte {
	b = appendTexts(b, o.Before)
	if o.Peer.IsValid() {
		b = o.Peer.AppendTo(b)
	}
	return append(b, 0)
}

// appendTexts appends texts so that different ones differ, whatever follows.
func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}
