package proxy

import (
	"net/http"
	"strings"

	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/proxy/wrap"
)

// sendPage sends a page, or that the client has it already. The links in it are
// such as the client can follow.
func sendPage(w http.ResponseWriter, r *http.Request, page answer.Page) {
	header := w.Header()
	for name, values := range page.Header {
		header[name] = values
	}
	if link := page.Header["Link"]; len(link) > 0 {
		header["Link"] = withPrefix(r, link)
	}
	if conditions := r.Header["If-None-Match"]; len(conditions) > 0 && etagMatches(conditions, page.ETag) {
		delete(header, "Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(http.StatusOK)
	wrap.WriteWhole(w, r, page.Body)
}

// etagMatches compares weakly (RFC 9110, section 13.1.2).
func etagMatches(conditions []string, etag string) bool {
	for _, condition := range conditions {
		for candidate := range strings.SplitSeq(condition, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
