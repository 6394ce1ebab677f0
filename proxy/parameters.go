package proxy

import (
	"net/http"
	"net/url"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// parameters reads the query of a request. One that can't be read whole is
// refused: what is dropped of it may be a filter, or the place of a page.
func parameters(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &index.QueryError{Param: "query", Reason: "encode ; as %3B and % as %25"}
	}
	return values, nil
}

// queryOf reads the query of a request for a listing, which has the usual order
// where none is asked for, and returns all of its parameters too.
func (p *Proxy) queryOf(r *http.Request, usual index.Order) (index.Query, url.Values, error) {
	values, err := parameters(r)
	if err != nil {
		return index.Query{}, nil, err
	}
	query, err := p.parseQuery(values, usual)
	return query, values, err
}

// parseQuery reads the parameters of a listing.
func (p *Proxy) parseQuery(values url.Values, usual index.Order) (index.Query, error) {
	query, err := index.ParseQueryBy(usual, values)
	if err != nil {
		return query, err
	}
	query.MaxBytes = int(p.config.Limits.ResponseSize) - oci.IndexFrameSize
	return query, nil
}
