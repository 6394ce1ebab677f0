package ui

import "net/http"

// contentPolicy is what a browser may do with a page (W3C, Content Security Policy
// Level 3): take style, script and pictures of this server alone, no frames, and send
// forms back here.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect sends with each answer what keeps a browser from making more of it than it
// is, and refuses forms that another site sends (package net/http,
// CrossOriginProtection). A proxy before may have changed the Host: then the origin is
// compared with that of the pages.
func (u *UI) protect(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("X-Frame-Options", "DENY")
		// What one viewer sees is for no other.
		header.Set("Cache-Control", "private, no-store")
		if origin := r.Header.Get("Origin"); origin == "" || origin != u.options.Place(r).Origin {
			if err := guard.Check(r); err != nil {
				v, _ := u.begin(r)
				u.fail(w, v, errForeign)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
