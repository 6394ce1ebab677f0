package index

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
)

// ServedListing is a referrers listing as it was served under its referrers tag:
// a manifest that no registry has.
type ServedListing struct {
	Repository string
	// Digest is that of Body.
	Digest digest.Digest
	// Tag is the referrers tag.
	Tag  string
	Body []byte
	// Until is when it is forgotten.
	Until time.Time
}

// ListingOverhead is what a [ServedListing] counts beside its body.
const ListingOverhead = 4 << 10

// Listings keeps what was served under referrers tags, so that it is found by
// its digest too, by whatever process. Every [Store] of this module is one. What [Store] says
// of errors, concurrency and durability holds here too.
type Listings interface {
	// SaveListing keeps a listing, and forgets those that are over at the given
	// time. One that is kept already stays as long as either says. Where all
	// together take more than most, by the sizes of their bodies and
	// [ListingOverhead], those that would be over first are forgotten, this one
	// too.
	SaveListing(ctx context.Context, listing ServedListing, now time.Time, most int64) error

	// Listing returns a listing that is not over at the given time, or
	// [ErrNotFound].
	Listing(ctx context.Context, repository string, name digest.Digest, now time.Time) (ServedListing, error)
}
