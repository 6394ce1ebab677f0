package indextest

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

var _ index.Listings = (*Model)(nil)

// SaveListing implements [index.Listings].
func (m *Model) SaveListing(_ context.Context, listing index.ServedListing, now time.Time, most int64) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	at := slices.IndexFunc(m.served, func(l index.ServedListing) bool { return sameListing(l, listing.Repository, listing.Digest) })
	switch {
	case at < 0:
		m.served = append(m.served, listing)
	case m.served[at].Until.Before(listing.Until):
		m.served[at] = listing
	}
	m.served = slices.DeleteFunc(m.served, func(l index.ServedListing) bool { return !l.Until.After(now) })
	slices.SortFunc(m.served, func(a, b index.ServedListing) int {
		return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(b.Repository, a.Repository), cmp.Compare(b.Digest, a.Digest))
	})
	for i, l := range m.served {
		if most -= int64(len(l.Body)) + index.ListingOverhead; most < 0 {
			m.served = m.served[:i]
			break
		}
	}
	return nil
}

func sameListing(l index.ServedListing, repository string, name digest.Digest) bool {
	return l.Repository == repository && l.Digest == name
}

// Listing implements [index.Listings].
func (m *Model) Listing(_ context.Context, repository string, name digest.Digest, now time.Time) (index.ServedListing, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, l := range m.served {
		if sameListing(l, repository, name) && l.Until.After(now) {
			l.Body = bytes.Clone(l.Body)
			return l, nil
		}
	}
	return index.ServedListing{}, index.ErrNotFound
}
