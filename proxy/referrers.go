package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// listReferrers answers a referrers query (end-12): whom it is for is asked
// first, then every source that may hold more than the index, then the index.
func (p *Proxy) listReferrers(w http.ResponseWriter, r *http.Request, target path) error {
	caller := p.callerOf(r, target)
	place := p.pages.place(r, target)
	if p.registry.Recall(caller) && p.serveKept(w, r, place) {
		return nil
	}
	query, _, err := p.queryOf(r, p.order)
	if err != nil {
		return err
	}
	if err := p.registry.Enter(r.Context(), caller, target.digest); err != nil {
		return err
	}
	found, err := p.registry.Listing(r.Context(), caller, target.digest, query)
	if err != nil {
		return err
	}
	here := &url.URL{Path: "/v2/" + target.repository + "/referrers/" + target.digest.String(), RawQuery: r.URL.RawQuery}
	answer := answerOf(found.Page, query, here)
	if place != nil && found.Lasting && p.indexKnowsAll(place) {
		place.keep(answer)
	}
	answer.write(w, r)
	return nil
}

// answerOf makes the answer that shows a page of the listing at here.
func answerOf(page index.Page, query index.Query, here *url.URL) referrersAnswer {
	link := ""
	if page.More {
		query.After = page.Referrers[len(page.Referrers)-1].Place()
		link = nextLink(here, query.Values())
	}
	return newAnswer(oci.MediaTypeImageIndex, registry.EncodePage(page), filtersOf(query), link)
}

// filtersOf names the filters that a listing obeys.
func filtersOf(query index.Query) string {
	return strings.Join(query.Filters(), ",")
}

// nextLink returns a Link to the page after the one at here: with what that was
// asked with, but for the given values.
func nextLink(here *url.URL, values url.Values) string {
	next := *here
	all := next.Query()
	for name, given := range values {
		all[name] = given
	}
	next.RawQuery = all.Encode()
	return "<" + next.String() + `>; rel="next"`
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
