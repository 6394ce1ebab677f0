package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Listing is a page of a listing.
type Listing struct {
	index.Page
	// Lasting says that the page stays right until the listing changes in the
	// index: nothing is open that the upstream would have to be asked for.
	Lasting bool
}

// Listing gathers one page of the referrers of a subject: every source that may
// hold more than the index is asked first, then the index. To a caller who may
// not read in the repository it is the page of an unknown one. An error of the
// upstream, or of the index, is one of the listing: no page is ever short.
func (r *Registry) Listing(ctx context.Context, caller *Caller, subject digest.Digest, query index.Query) (page Listing, err error) {
	if caller.elsewhere != "" {
		page, err := r.listElsewhere(ctx, caller, subject, query)
		return Listing{Page: page}, err
	}
	err = anew(func() error {
		page, err = r.gather(ctx, caller, subject, query)
		return err
	})
	return page, err
}

// gather asks every source once, as the caller. One that may read nothing gets
// the page of an unknown repository; what it made of the sources till then does
// not depend on what the index holds, and changes nothing there.
func (r *Registry) gather(ctx context.Context, caller *Caller, subject digest.Digest, query index.Query) (Listing, error) {
	within, span := r.spans.Begin(ctx, "read open intents")
	unsettled, err := r.store.Unsettled(within, caller.repository, subject)
	span.End(err)
	if err != nil {
		return Listing{}, err
	}
	lasting := len(unsettled) == 0
	open := r.withoutUnderway(unsettled)
	if err := r.tryReferrers(ctx, caller, subject, open); err != nil {
		return Listing{}, err
	}
	read, err := r.importTag(ctx, caller, subject, open)
	if err != nil {
		return Listing{}, err
	}
	native, err := r.nativeReferrers(ctx, caller, subject)
	if err != nil {
		return Listing{}, err
	}
	legacy, err := r.legacyReferrers(ctx, caller, subject, query.Legacy)
	if err != nil {
		return Listing{}, err
	}
	if !caller.Permitted() {
		r.metrics.gate.WithLabelValues("hidden").Inc()
		return Listing{}, nil
	}
	findings, err := r.askForIntents(ctx, caller, open)
	if err != nil {
		return Listing{}, err
	}
	if err := errors.Join(r.settle(ctx, findings), r.endImports(ctx, read)); err != nil {
		return Listing{}, err
	}
	unrecorded, err := r.readNative(ctx, caller, subject, native)
	if err != nil {
		return Listing{}, err
	}
	page, err := r.page(ctx, caller.grant, subject, unrecorded, query)
	if err == nil {
		page, err = r.withLegacy(ctx, caller, page, legacy, query)
	}
	return Listing{page, lasting}, err
}

// EncodePage returns the image index that shows a page (distribution-spec,
// "Listing Referrers").
func EncodePage(page index.Page) []byte {
	return oci.EncodeIndex(len(page.Referrers), func(i int) []byte { return page.Referrers[i].Descriptor })
}

// IndexKnowsAll tells whether the index is all that has to be asked for the
// listing of a subject, whose referrers tag is given, but for the open intents
// that the index knows of itself.
func (r *Registry) IndexKnowsAll(repository string, subject digest.Digest, tag string) bool {
	return r.native.quiet(repository, subject) && (!r.options.ReferrersTags || r.tagChecks.recent(tagName{repository, tag}))
}
