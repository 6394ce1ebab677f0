package wrap

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// LimitPagesOptions are what [LimitPages] needs; all are required.
type LimitPagesOptions struct {
	// Most returns the largest n.
	Most func() int
	// Paged tells whether a request is for a list whose n is bounded.
	Paged func(*http.Request) bool
	// Parameters reads the query of a request. One of which the registry may
	// read more than backref does is an error.
	Parameters func(*http.Request) (url.Values, error)
	Metrics    *Metrics
	// Fail answers a request whose query can't be read.
	Fail Fail
}

// LimitPages makes n of a list what the options allow. The registry or backref
// then says where the next page is, as it does for any n.
func LimitPages(o LimitPagesOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" || !o.Paged(r) {
				next.ServeHTTP(w, r)
				return
			}
			query, err := o.Parameters(r)
			if err != nil {
				o.Fail(w, r, err)
				return
			}
			most := o.Most()
			if slices.ContainsFunc(query["n"], func(n string) bool { return exceeds(n, most) }) {
				o.Metrics.Limited(limitPageSize)
				query.Set("n", strconv.Itoa(most))
				smaller := *r
				smaller.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()}
				r = &smaller
			}
			next.ServeHTTP(w, r)
		})
	}
}

// exceeds tells whether a number is above the limit. What is none is for
// others to judge.
func exceeds(text string, limit int) bool {
	n, err := strconv.Atoi(text)
	return n > limit && (err == nil || errors.Is(err, strconv.ErrRange))
}
