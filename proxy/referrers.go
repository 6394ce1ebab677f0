package proxy

import (
	"net/http"
	"net/url"

	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/answer"
)

// listReferrers answers a referrers query (end-12): whom it is for is asked
// first, then every source that may hold more than the index, then the index.
func (p *Proxy) listReferrers(w http.ResponseWriter, r *http.Request, target path) error {
	if err := p.mayList(r, p.pullRules(r, target), byType); err != nil {
		return err
	}
	caller := p.callerOf(r, target)
	var place *pageSlot
	recalled := p.registry.Recall(caller)
	if recalled {
		if place = p.pageSlot(r, target); p.serveCachedPage(w, r, place) {
			return nil
		}
	}
	query, err := p.queryOf(r)
	if err != nil {
		return err
	}
	if err := p.registry.Enter(r.Context(), caller, target.digest); err != nil {
		return err
	}
	if !recalled {
		place = p.pageSlot(r, target)
	}
	found, err := p.registry.Listing(r.Context(), caller, target.digest, query)
	if err != nil {
		return err
	}
	here := &url.URL{Path: "/v2/" + target.repository + "/referrers/" + target.digest.String(), RawQuery: r.URL.RawQuery}
	page := answer.Referrers(found.Page, query, here)
	if place != nil && found.Lasting && p.indexKnowsAll(place) {
		place.put(page)
	}
	sendPage(w, r, page)
	return nil
}

// pageSlot returns where the answer to a query is kept.
func (p *Proxy) pageSlot(r *http.Request, target path) *pageSlot {
	return p.pages.slot(r, target, p.limits().ResponseSize, p.registry.Limits().Descriptor)
}

// queryOf reads the query of a request for a listing of referrers.
func (p *Proxy) queryOf(r *http.Request) (index.Query, error) {
	query, _, err := answer.Query(r, p.options.Registry.Order, p.limits().ResponseSize)
	return query, err
}
