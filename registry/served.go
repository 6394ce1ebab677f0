package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// servedListings are the listings that were served under referrers tags: found
// by their digest through every process that shares the store. A nil one keeps
// none.
type servedListings struct {
	store index.Listings
	ttl   time.Duration
	// kept says until when the store has those of this process, so that one
	// that is read again and again is written once.
	kept *otter.Cache[manifestName, time.Time]
}

// servedNames is how many of these are remembered.
const servedNames = 10_000

// newServedListings returns nil for a store that can't keep any.
func newServedListings(o Options) *servedListings {
	listings, able := o.Index.(index.Listings)
	ttl := o.ListingTTL
	if !able || ttl <= 0 || !o.ReferrersTags {
		return nil
	}
	return &servedListings{
		store: listings, ttl: ttl,
		kept: newCache[manifestName, time.Time](ttl, servedNames),
	}
}

// SaveServed saves a listing that is about to be served under a tag, so that it
// is found by its digest. One that can't be kept is served all the same: what it
// says is right.
func (r *Registry) SaveServed(ctx context.Context, caller *Caller, tag string, shown TagListing) {
	s := r.served
	if s == nil {
		return
	}
	name, now := manifestName{caller.repository, shown.Digest}, r.now()
	if until, kept := s.kept.GetIfPresent(name); kept && until.Sub(now) >= s.ttl {
		return
	}
	// Half as long again spares a write for each further reader.
	until := now.Add(s.ttl + s.ttl/2)
	err := s.store.SaveListing(ctx, index.ServedListing{
		Repository: caller.repository, Digest: shown.Digest, Tag: tag, Body: shown.Body, Until: until,
	}, now, r.Limits().Listings)
	if err != nil {
		Note(ctx, zap.NamedError("listing", err))
		return
	}
	s.kept.Set(name, until)
}

// ServedUnder returns the listing that was served with a digest, where the
// upstream has answered that it has no such manifest; false where there is none,
// or none for the caller.
//
// The caller has to be able to read the listing's subject or a referrer. One
// that isn't known to may has the same asked for whatever is kept, so that
// neither the questions nor the time that they take tell anything.
func (r *Registry) ServedUnder(ctx context.Context, caller *Caller, manifest digest.Digest, resp *http.Response) (TagListing, bool) {
	s := r.served
	if s == nil || manifest == "" || resp.StatusCode != http.StatusNotFound {
		return TagListing{}, false
	}
	listing, err := s.store.Listing(ctx, caller.repository, manifest, r.now())
	found := err == nil
	if !found && !errors.Is(err, index.ErrNotFound) {
		Note(ctx, zap.NamedError("listing", err))
	}
	if !r.Recall(caller) {
		readable, err := r.anyReadable(ctx, caller, servedProbes(listing))
		if err != nil {
			Note(ctx, zap.NamedError("permission", err))
		}
		if !readable {
			return TagListing{}, false
		}
		r.permit(caller)
	}
	return TagListing{listing.Body, manifest}, found
}

// servedProbes returns the two manifests by which a caller is let in to a
// listing, made up where there is none.
func servedProbes(listing index.ServedListing) []digest.Digest {
	var list struct {
		Manifests []struct {
			Digest digest.Digest `json:"digest"`
		} `json:"manifests"`
	}
	probes := []digest.Digest{digest.FromString(rand.Text()), digest.FromString(rand.Text())}
	if subject := oci.SubjectOf(listing.Tag); subject != "" {
		probes[0] = subject
	}
	if err := json.Unmarshal(listing.Body, &list); err == nil && len(list.Manifests) > 0 {
		probes[1] = list.Manifests[0].Digest
	}
	return probes
}
