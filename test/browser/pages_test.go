package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// head begins every page of these tests.
const head = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Test</title>` +
	`<meta name="viewport" content="width=device-width"></head>`

// clean is a page that has nothing wrong with it.
const clean = head + `<body><main><h1>Images</h1><p>All is well. <a href="/other">Other</a></p>
<form action="/greet"><label>User <input name="user"></label>
<label>Kind <select name="kind"><option value="s">Signature</option><option value="b">SBOM</option></select></label>
<button>Greet</button></form></main></body></html>`

// serve answers paths with pages, and each page with a policy where it has one.
func serve(t *testing.T, pages map[string]string, policy string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, is := pages[r.URL.Path]
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		switch {
		case is:
			_, _ = fmt.Fprint(w, page)
		case r.URL.Path == "/greet":
			_, _ = fmt.Fprintf(w, head+"<p>Hello %q, %q</p>", r.FormValue("user"), r.FormValue("kind"))
		case r.URL.Path == "/moved":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
			http.Redirect(w, r, "/cookie", http.StatusSeeOther)
		case r.URL.Path == "/cookie":
			_, err := r.Cookie("seen")
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			_, _ = fmt.Fprintf(w, head+"<p>seen: %v</p>", err == nil)
		case r.URL.Path == "/file":
			w.Header().Set("Content-Disposition", `attachment; filename="sbom.json"`)
			_, _ = fmt.Fprint(w, "{}")
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, head+"<main><h1>Not here</h1></main>")
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// one serves one page.
func one(t *testing.T, body string) string {
	t.Helper()
	return serve(t, map[string]string{"/": head + body}, "")
}
