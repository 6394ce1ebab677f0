package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// nativeSupport remembers that the upstream has no referrers API.
type nativeSupport struct {
	// askAgain is when to ask next, in nanoseconds since 1970.
	askAgain atomic.Int64
}

// nativeReferrers asks the upstream's own referrers API, as the client. It
// returns none where the upstream has no such API.
func (p *Proxy) nativeReferrers(ctx context.Context, client *reader, subject digest.Digest) ([]upstream.Descriptor, error) {
	now := p.now()
	if now.UnixNano() < p.native.askAgain.Load() {
		return nil, nil
	}
	entries, err := p.upstream.Referrers(ctx, client.as, client.repository, subject, p.config.Limits.TagEntries)
	switch {
	case errors.Is(err, upstream.ErrNoReferrers):
		// To a client that may not read here the API may only look missing.
		if !client.permitted {
			return nil, nil
		}
		// So may a registry that has it answer where there is no such repository,
		// or to a token that has ended since the permission was remembered.
		readable, err := p.upstream.Has(ctx, client.as, client.repository, subject)
		if readable {
			p.native.askAgain.Store(now.Add(p.config.Referrers.RecheckNative).UnixNano())
		}
		if brokenManifest(err) {
			err = fmt.Errorf("%w: %w", errNoManifest, err)
		}
		return nil, err
	case err != nil:
		return nil, err
	case len(entries) > 0:
		p.permit(client)
	}
	return entries, nil
}

// errNoManifest means that the registry failed at a subject that is perhaps a
// blob, when all else had been asked.
var errNoManifest = errors.New("perhaps no manifest")

// brokenManifest tells whether the registry failed at what it was asked for as
// a manifest: Distribution 2.8 does so where the digest is that of a blob.
func brokenManifest(err error) bool {
	var status *upstream.StatusError
	return errors.As(err, &status) && status.Status == http.StatusInternalServerError
}

// recordNative records what only the upstream's own API lists. In an order other
// than that of the digests an entry has another place once it is recorded: when
// it was seen, or what its manifest says, is known only then. So it is recorded
// before a page in such an order is made, and is not passed over or shown twice
// where somebody else does so between two pages. What can't be had is not
// recorded later either.
func (p *Proxy) recordNative(ctx context.Context, client *reader, native []upstream.Descriptor) error {
	if len(native) == 0 {
		return nil
	}
	digests := make([]digest.Digest, 0, len(native))
	for _, entry := range native {
		digests = append(digests, entry.Digest)
	}
	_, err := p.records(ctx, client, digests)
	return err
}

// page reads a page from the index, and merges in the upstream's own
// referrers. Of those that both have the index speaks alone: it may know of
// another time, and other annotations, and so place them elsewhere.
func (p *Proxy) page(ctx context.Context, repository string, subject digest.Digest, native []upstream.Descriptor, query index.Query) (index.Page, error) {
	selected, err := selectReferrers(native, query)
	if err != nil {
		return index.Page{}, err
	}
	before, err := p.unrecorded(ctx, repository, selected)
	if err != nil {
		return index.Page{}, err
	}
	page, err := p.store.Referrers(ctx, repository, subject, query)
	if err != nil {
		return index.Page{}, err
	}
	after, err := p.unrecorded(ctx, repository, selected)
	if err != nil {
		return index.Page{}, err
	}
	if len(before) != len(after) {
		// One of them came or went, so that it may be in neither of the two.
		return index.Page{}, index.ErrStale
	}
	return merge(page, after, query), nil
}

// unrecorded returns the entries that the index doesn't have.
func (p *Proxy) unrecorded(ctx context.Context, repository string, entries []index.Referrer) ([]index.Referrer, error) {
	var unrecorded []index.Referrer
	for _, entry := range entries {
		known, err := p.recorded(ctx, repository, entry.Digest)
		if err != nil {
			return nil, err
		}
		if !known {
			unrecorded = append(unrecorded, entry)
		}
	}
	return unrecorded, nil
}

// selectReferrers returns the entries that belong on a page of the query or a
// later one, in its order.
func selectReferrers(entries []upstream.Descriptor, query index.Query) ([]index.Referrer, error) {
	var referrers []index.Referrer
	for _, entry := range entries {
		descriptor := index.Descriptor(entry)
		place := query.Order.Place(descriptor, time.Time{})
		if !query.Matches(descriptor) || !query.Behind(place) {
			continue
		}
		encoded, err := descriptor.Encode()
		if err != nil {
			return nil, err
		}
		referrers = append(referrers, index.Referrer{
			Digest: entry.Digest, ArtifactType: entry.ArtifactType, Key: place.Key, Descriptor: json.RawMessage(encoded),
		})
	}
	slices.SortFunc(referrers, func(a, b index.Referrer) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	referrers = slices.CompactFunc(referrers, func(a, b index.Referrer) bool { return a.Digest == b.Digest })
	slices.SortFunc(referrers, inOrder(query))
	return referrers, nil
}

func inOrder(query index.Query) func(a, b index.Referrer) int {
	return func(a, b index.Referrer) int { return query.Order.Compare(a.Place(), b.Place()) }
}

// merge puts further entries, that are not in it, into a page of the index, in
// the order and within the bounds of the query.
func merge(page index.Page, further []index.Referrer, query index.Query) index.Page {
	if page.More {
		last := page.Referrers[len(page.Referrers)-1].Place()
		further = slices.DeleteFunc(slices.Clone(further), func(r index.Referrer) bool {
			return query.Order.Compare(r.Place(), last) > 0
		})
	}
	if len(further) == 0 {
		return page
	}
	all := append(slices.Clone(page.Referrers), further...)
	slices.SortFunc(all, inOrder(query))
	fits := query.Fit(all)
	return index.Page{Referrers: all[:fits], More: page.More || fits < len(all)}
}
