package admin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/backref/backref/oci"
)

// MayLook tells whether a request for the web page is an operator's without a session:
// one that has the token as Authorization: Bearer or, where there is none, that is from
// this machine.
func MayLook(r *http.Request, token string) bool {
	if token != "" {
		return hasToken(r, token)
	}
	return isLoopback(r.RemoteAddr) && isLoopback(r.Host) && fromSameOrigin(r) && !passedOn(r)
}

// fromSameOrigin tells whether no page of another origin made a request. A browser sends
// Origin with forms of the page itself too.
func fromSameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// guardPages lets requests for the web page pass to it. With a token the page itself
// asks for it, and lets nobody see anything before; without one who is not on this
// machine, or comes from another site's page, sees nothing at all. What is below /admin
// knows nothing of the page's sessions.
func guardPages(token func() string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if set := token(); set == "" && !MayLook(r, set) {
				refusal := &oci.Error{
					Status: http.StatusForbidden, Code: oci.CodeDenied,
					Message: "without a token the page is for browsers on the same machine that call it localhost or 127.0.0.1: set admin.tokenFile",
				}
				refusal.Write(w)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
