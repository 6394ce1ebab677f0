package proxy

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// servedListings are the listings that were served under referrers tags: found
// by their digest through every process that shares the store. A nil one keeps
// none.
type servedListings struct {
	store index.Listings
	ttl   time.Duration
	most  int64
	// kept says until when the store has those of this process, so that one
	// that is read again and again is written once.
	kept *otter.Cache[manifestName, time.Time]
}

// servedNames is how many of these are remembered.
const servedNames = 10_000

// newServedListings returns nil for a store that can't keep any.
func newServedListings(cfg config.Config, store index.Store) *servedListings {
	listings, able := store.(index.Listings)
	ttl := cfg.Referrers.TagListingTTL
	if !able || ttl <= 0 || cfg.Limits.TagListings <= 0 || cfg.Referrers.FallbackTags == config.FallbackOff {
		return nil
	}
	return &servedListings{
		store: listings, ttl: ttl, most: int64(cfg.Limits.TagListings),
		kept: newCache[manifestName, time.Time](ttl, servedNames),
	}
}

// keepServed keeps a listing that is about to be served. One that can't be kept
// is served all the same: what it says is right.
func (p *Proxy) keepServed(r *http.Request, target path, shown shownListing) {
	s := p.served
	if s == nil {
		return
	}
	name, now := manifestName{target.repository, shown.digest}, p.now()
	if until, kept := s.kept.GetIfPresent(name); kept && until.Sub(now) >= s.ttl {
		return
	}
	// Half as long again spares a write for each further reader.
	until := now.Add(s.ttl + s.ttl/2)
	err := s.store.KeepListing(r.Context(), index.ServedListing{
		Repository: target.repository, Digest: shown.digest, Tag: target.tag, Body: shown.body, Until: until,
	}, now, s.most)
	if err != nil {
		note(r, zap.NamedError("listing", err))
		return
	}
	s.kept.Set(name, until)
}

// servedUnder returns the listing that was served with a digest, after the
// upstream has said that it has no such manifest; false where there is none, or
// none for the client.
//
// The client has to be able to read the listing's subject or a referrer. One
// that isn't known to may has the same asked for whatever is kept, so that
// neither the questions nor the time that they take tell anything.
func (p *Proxy) servedUnder(r *http.Request, resp *http.Response, target path) (shownListing, bool) {
	s := p.served
	if s == nil || target.digest == "" || resp.StatusCode != http.StatusNotFound {
		return shownListing{}, false
	}
	listing, err := s.store.Listing(r.Context(), target.repository, target.digest, p.now())
	found := err == nil
	if !found && !errors.Is(err, index.ErrNotFound) {
		note(r, zap.NamedError("listing", err))
	}
	client := p.readerOf(r, target)
	if !p.recall(client) {
		readable, err := p.anyReadable(r.Context(), client, servedProbes(listing))
		if err != nil {
			note(r, zap.NamedError("permission", err))
		}
		if !readable {
			return shownListing{}, false
		}
		p.permit(client)
	}
	return shownListing{listing.Body, target.digest}, found
}

// servedProbes returns the two manifests by which a client is let in to a
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
