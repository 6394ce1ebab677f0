package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// limitPages makes n what limits.pageSize allows. The registry or backref then
// says where the next page is, as it does for any n. A query of which the
// registry may read more than backref does is refused.
func (p *Proxy) limitPages(next http.Handler) http.Handler {
	most := p.config.Limits.PageSize
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" || !p.endpoints[entryOf(r).path.endpoint].paged {
			next.ServeHTTP(w, r)
			return
		}
		query, err := parameters(r)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		if slices.ContainsFunc(query["n"], func(n string) bool { return exceeds(n, most) }) {
			p.metrics.limited.WithLabelValues("limits.pageSize").Inc()
			query.Set("n", strconv.Itoa(most))
			smaller := *r
			smaller.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()}
			r = &smaller
		}
		next.ServeHTTP(w, r)
	})
}

// exceeds tells whether a number is above the limit. What is none is for
// others to judge.
func exceeds(text string, limit int) bool {
	n, err := strconv.Atoi(text)
	return n > limit && (err == nil || errors.Is(err, strconv.ErrRange))
}
