package answer

import (
	"net/http"
	"net/url"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Parameters reads the query of a request. One that can't be read whole is
// refused with an [index.QueryError]: what is dropped of it may be a filter, or
// the place of a page.
func Parameters(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &index.QueryError{Param: "query", Reason: "encode ; as %3B and % as %25"}
	}
	return values, nil
}

// Once returns a parameter that may be given once; empty where it is not given.
// Given more often it is an [index.QueryError].
func Once(values url.Values, name string) (string, error) {
	if len(values[name]) > 1 {
		return "", &index.QueryError{Param: name, Reason: "give it once"}
	}
	return values.Get(name), nil
}

// Query reads the query of a request for a listing, which has the usual order
// where none is asked for, and returns all of its parameters too. A page of the
// listing has at most size bytes. What can't be read is an [index.QueryError].
func Query(r *http.Request, usual index.Order, size int) (index.Query, url.Values, error) {
	values, err := Parameters(r)
	if err != nil {
		return index.Query{}, nil, err
	}
	query, err := index.ParseQueryBy(usual, values)
	if err != nil {
		return index.Query{}, nil, err
	}
	query.MaxBytes = size - oci.IndexFrameSize
	return query, values, nil
}
