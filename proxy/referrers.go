package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// listReferrers answers a referrers query (end-12): whom it is for is asked
// first, then every source that may hold more than the index, then the index.
func (p *Proxy) listReferrers(w http.ResponseWriter, r *http.Request, target path) error {
	client := p.readerOf(r, target)
	place := p.pages.place(r, target)
	if p.recall(client) && p.serveKept(w, r, place) {
		return nil
	}
	query, _, err := p.queryOf(r, p.order)
	if err != nil {
		return err
	}
	if err := p.enter(r.Context(), client, target.digest); err != nil {
		return err
	}
	found, err := p.listing(r.Context(), client, target.digest, query)
	if err != nil {
		return err
	}
	here := &url.URL{Path: "/v2/" + target.repository + "/referrers/" + target.digest.String(), RawQuery: r.URL.RawQuery}
	answer := answerOf(found.Page, query, here)
	if place != nil && found.lasting && p.indexKnowsAll(place) {
		place.keep(answer)
	}
	answer.write(w, r)
	return nil
}

// gathered is a page of a listing.
type gathered struct {
	index.Page
	// lasting says that it stays right until the listing changes in the index:
	// nothing is open that the upstream would have to be asked for.
	lasting bool
}

// maxAttempts is how often a listing is begun anew because what was read from
// the upstream was overtaken meanwhile by a push or delete.
const maxAttempts = 5

// listing gathers one page.
func (p *Proxy) listing(ctx context.Context, client *reader, subject digest.Digest, query index.Query) (gathered, error) {
	if client.elsewhere != "" {
		page, err := p.listElsewhere(ctx, client, subject, query)
		return gathered{Page: page}, err
	}
	for attempt := 1; ; attempt++ {
		page, err := p.gather(ctx, client, subject, query)
		if !errors.Is(err, index.ErrStale) || attempt == maxAttempts {
			return page, err
		}
	}
}

// gather asks every source once, as the client. One that may read nothing gets
// the page of an unknown repository; what it made of the sources till then does
// not depend on what the index holds, and changes nothing there.
func (p *Proxy) gather(ctx context.Context, client *reader, subject digest.Digest, query index.Query) (gathered, error) {
	unsettled, err := p.store.Unsettled(ctx, client.repository, subject)
	if err != nil {
		return gathered{}, err
	}
	lasting := len(unsettled) == 0
	open := p.withoutUnderway(unsettled)
	if err := p.tryReferrers(ctx, client, subject, open); err != nil {
		return gathered{}, err
	}
	read, err := p.importTag(ctx, client, subject, open)
	if err != nil {
		return gathered{}, err
	}
	native, err := p.nativeReferrers(ctx, client, subject)
	if err != nil {
		return gathered{}, err
	}
	if !client.permitted {
		p.metrics.gate.WithLabelValues("hidden").Inc()
		return gathered{}, nil
	}
	findings, err := p.askForIntents(ctx, client, open)
	if err != nil {
		return gathered{}, err
	}
	if err := errors.Join(p.settle(ctx, findings), p.keep(ctx, read)); err != nil {
		return gathered{}, err
	}
	unrecorded, err := p.readNative(ctx, client, subject, native)
	if err != nil {
		return gathered{}, err
	}
	page, err := p.page(ctx, client.repository, subject, unrecorded, query)
	return gathered{page, lasting}, err
}

// answerOf makes the answer that shows a page of the listing at here.
func answerOf(page index.Page, query index.Query, here *url.URL) referrersAnswer {
	link := ""
	if page.More {
		query.After = page.Referrers[len(page.Referrers)-1].Place()
		link = nextLink(here, query.Values())
	}
	return newAnswer(oci.MediaTypeImageIndex, encodePage(page), filtersOf(query), link)
}

// filtersOf names the filters that a listing obeys.
func filtersOf(query index.Query) string {
	return strings.Join(query.Filters(), ",")
}

func encodePage(page index.Page) []byte {
	return oci.EncodeIndex(len(page.Referrers), func(i int) []byte { return page.Referrers[i].Descriptor })
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
