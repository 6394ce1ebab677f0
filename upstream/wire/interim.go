package wire

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// Interim takes the informational responses to a request (RFC 9110, section
// 15.2), such as 103 Early Hints, before [Transport.RoundTrip] returns the final
// one. It may be called by another goroutine, also after that.
type Interim interface {
	// Interim takes one. The header is not used by others.
	Interim(status int, header http.Header)
}

// InterimKey is the key of the [Interim] in the context of a request.
type InterimKey struct{}

// tellInterim hands an informational response to whoever wants it.
func tellInterim(ctx context.Context, status int, header http.Header) {
	if to, wanted := ctx.Value(InterimKey{}).(Interim); wanted {
		to.Interim(status, header)
	}
}

// traceInterim has net/http do so, as often as our own connections do.
func traceInterim(ctx context.Context) context.Context {
	told := 0
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			if told++; told > maxInterim {
				return errTooManyInterim
			}
			tellInterim(ctx, status, http.Header(header))
			return nil
		},
	})
}
