package answer

import (
	"net/url"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// Referrers returns the page that shows part of the listing at here, as the
// query asked for it (distribution-spec, "Listing Referrers").
func Referrers(found index.Page, query index.Query, here *url.URL) Page {
	link := ""
	if found.More {
		query.After = found.Referrers[len(found.Referrers)-1].Cursor()
		link = Next(here, query.Values())
	}
	return New(oci.MediaTypeImageIndex, registry.EncodePage(found), query.Filters(), link)
}

// Next returns a Link (RFC 8288) to the page after the one at here: with what
// that was asked with, but for the given values.
func Next(here *url.URL, values url.Values) string {
	next := *here
	all := next.Query()
	for name, given := range values {
		all[name] = given
	}
	next.RawQuery = all.Encode()
	return "<" + next.String() + `>; rel="next"`
}
