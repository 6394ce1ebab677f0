package routes

import (
	"net/url"
	"strings"
)

// The parameters of a push that takes a blob over from another repository.
const (
	paramMount = "mount"
	paramFrom  = "from"
)

// mount has the repository that a blob is to be taken over from named as the registry
// does that the request goes to; without a route, that without a prefix. Where another
// registry has that repository the parameters go: then the push is a plain upload, as
// it is where the registry hasn't the blob (distribution-spec, "Mounting a blob from
// another repository").
func (t *Table) mount(to *route, u *url.URL) {
	if !strings.Contains(u.RawQuery, paramFrom) && !strings.Contains(u.RawQuery, "%") {
		return
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || !query.Has(paramFrom) || !query.Has(paramMount) {
		return
	}
	changed := false
	for i, from := range query[paramFrom] {
		parts := strings.Split(from, "/")
		r := t.above(parts)
		switch {
		case r != to:
			query.Del(paramMount)
			query.Del(paramFrom)
			u.RawQuery = query.Encode()
			return
		case r != nil:
			query[paramFrom][i], _ = r.inside(from)
			changed = true
		}
	}
	if changed {
		u.RawQuery = query.Encode()
	}
}

// inside returns the name that the registry has a repository by.
func (r *route) inside(named string) (asked string, ok bool) {
	own, below := strings.CutPrefix(named, r.Prefix+"/")
	if !below {
		return named, false
	}
	if r.Library && !strings.Contains(own, "/") {
		own = library + "/" + own
	}
	return own, true
}
