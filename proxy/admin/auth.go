package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"github.com/backref/backref/oci"
)

// requireOperator lets only operators pass: those who send the token or, where
// there is none, who are on this machine.
func requireOperator(token func() string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refusal := refuse(r, token()); refusal != nil {
				refusal.Write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refuse returns why a request is not an operator's; nil if it is.
func refuse(r *http.Request, token string) *oci.Error {
	switch {
	case token == "" && fromThisMachine(r):
		return nil
	case token == "":
		return &oci.Error{
			Status: http.StatusForbidden, Code: oci.CodeDenied,
			Message: "without a token this is for clients on the same machine: set admin.tokenFile",
		}
	case hasToken(r, token):
		return nil
	default:
		return &oci.Error{
			Status: http.StatusUnauthorized, Code: oci.CodeUnauthorized,
			Message: "send the token of admin.tokenFile as Authorization: Bearer",
			Header:  http.Header{"Www-Authenticate": {`Bearer realm="backref admin"`}},
		}
	}
}

// hasToken compares hashes, so that the time it takes tells neither the token
// nor its length.
func hasToken(r *http.Request, token string) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// fromThisMachine tells whether the peer is on loopback. A web page that is
// open in a browser there must not count for one who sits before it, so the
// request must not come from a page, nor name this machine by a name that
// anybody could point at it.
func fromThisMachine(r *http.Request) bool {
	return isLoopback(r.RemoteAddr) && isLoopback(r.Host) && r.Header.Get("Origin") == "" && !passedOn(r)
}

// passedOn tells whether a proxy on this machine says that it passes a request on, for
// somebody who may be anywhere.
func passedOn(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// isLoopback tells whether an address, with or without a port, is this
// machine's own.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
