package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// TagListing is a listing as it is served under a referrers tag: an image index
// with its digest. One without a body is nothing to be shown: what the upstream
// says is right.
type TagListing struct {
	Body   []byte
	Digest digest.Digest
}

// ListingUnder returns the whole listing of the subject of a referrers tag, for
// which standing was found. It is empty where there are no referrers, none that
// the caller may see, or where the tag itself says the same.
func (r *Registry) ListingUnder(ctx context.Context, caller *Caller, tag string, found Standing) (TagListing, error) {
	subject, err := r.subjectUnder(ctx, caller.repository, tag, found)
	if err != nil {
		return TagListing{}, err
	}
	if err := r.Enter(ctx, caller, subject); err != nil {
		return TagListing{}, err
	}
	most := int(r.Limits().Size)
	listing, err := r.Listing(ctx, caller, subject, index.Query{Order: r.options.Order, MaxBytes: most})
	if err != nil || len(listing.Referrers) == 0 {
		return TagListing{}, err
	}
	if found.kind == index.TagReferrers && r.saysTheSame(found.body, listing.Referrers) {
		return TagListing{}, nil
	}
	body := EncodePage(listing.Page)
	if listing.More || len(body) > most {
		return TagListing{}, &oci.Error{
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported, Limit: "limits.manifestSize",
			Message: "the list of referrers is larger than a manifest may be: ask the referrers API, which has pages, or have the operator of this proxy raise limits.manifestSize",
		}
	}
	return TagListing{body, digest.FromBytes(body)}, nil
}

// subjectUnder returns the subject of a referrers tag. Where the digest is cut,
// the index may know the rest. Otherwise it has no referrer of it, and what is
// made up is as good as any for the questions to be the same.
func (r *Registry) subjectUnder(ctx context.Context, repository, tag string, found Standing) (digest.Digest, error) {
	subject := found.subject
	if subject == "" {
		subject = oci.SubjectOf(tag)
	}
	if subject != "" {
		return subject, nil
	}
	algorithm, encoded, _ := strings.Cut(tag, "-")
	madeUp := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded+strings.Repeat("0", 2*digest.Algorithm(algorithm).Size()-len(encoded)))
	if r.subjects == nil {
		return madeUp, nil
	}
	known, err := r.subjects.TagSubject(ctx, repository, tag)
	if errors.Is(err, index.ErrNotFound) {
		return madeUp, nil
	}
	return known, err
}

// saysTheSame tells whether a referrers tag has the entries of the listing, and
// no others, in whatever order.
func (r *Registry) saysTheSame(body []byte, listing []index.Referrer) bool {
	entries, err := upstream.ParseIndex(body, r.Limits().Entries)
	if err != nil || len(entries) != len(listing) {
		return false
	}
	listed := make(map[string]bool, len(listing))
	for _, referrer := range listing {
		listed[string(referrer.Descriptor)] = true
	}
	for _, entry := range entries {
		encoded, err := entry.Encode()
		if err != nil || !listed[string(encoded)] {
			return false
		}
		delete(listed, string(encoded))
	}
	return true
}
