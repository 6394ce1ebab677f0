package registry

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// readPage reads a page of the index with its descriptors as listings show
// them. Where that makes some of them shorter, further ones have room: a client
// that reads one page only has to find the others there.
func (r *Registry) readPage(ctx context.Context, grant Grant, subject digest.Digest, query index.Query) (index.Page, error) {
	page, err := grant.referrers(ctx, subject, query)
	if err != nil {
		return page, err
	}
	shortened, err := r.shorten(page.Referrers)
	if !shortened || err != nil {
		return page, err
	}
	for page.More && (query.Limit == 0 || len(page.Referrers) < query.Limit) {
		further := query
		further.After = page.Referrers[len(page.Referrers)-1].Cursor()
		next, err := grant.referrers(ctx, subject, further)
		if err != nil {
			return page, err
		}
		if _, err := r.shorten(next.Referrers); err != nil {
			return page, err
		}
		all := slices.Concat(page.Referrers, next.Referrers)
		fits := query.Fit(all)
		more := next.More || fits < len(all)
		if grown := fits > len(page.Referrers); !grown || fits < len(all) {
			return index.Page{Referrers: all[:fits], More: more}, nil
		}
		page = index.Page{Referrers: all, More: more}
	}
	return page, nil
}

// shorten makes the descriptors those that listings show, and tells whether one
// of them was too long.
func (r *Registry) shorten(referrers []index.Referrer) (shortened bool, err error) {
	most := r.Limits().Descriptor
	for i := range referrers {
		if len(referrers[i].Descriptor) <= most {
			continue
		}
		shortened = true
		if referrers[i].Descriptor, err = index.Listed(referrers[i].Descriptor, most); err != nil {
			return true, err
		}
	}
	return shortened, nil
}
