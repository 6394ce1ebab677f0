package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

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
func (p *Proxy) nativeReferrers(ctx context.Context, client *reader, subject digest.Digest) ([]index.Referrer, error) {
	now := p.now()
	if now.UnixNano() < p.native.askAgain.Load() {
		return nil, nil
	}
	entries, err := p.upstream.Referrers(ctx, client.as, client.repository, subject, p.config.Limits.TagEntries)
	switch {
	case errors.Is(err, upstream.ErrNoReferrers):
		// To a client that may not read here the API may only look missing.
		if client.permitted {
			p.native.askAgain.Store(now.Add(p.config.Referrers.RecheckNative).UnixNano())
		}
		return nil, nil
	case err != nil:
		return nil, err
	case len(entries) > 0:
		p.permit(client)
	}
	return encodeReferrers(entries)
}

func encodeReferrers(entries []upstream.Descriptor) ([]index.Referrer, error) {
	referrers := make([]index.Referrer, 0, len(entries))
	for _, entry := range entries {
		encoded, err := index.Descriptor(entry).Encode()
		if err != nil {
			return nil, err
		}
		referrers = append(referrers, index.Referrer{
			Digest: entry.Digest, ArtifactType: entry.ArtifactType, Descriptor: json.RawMessage(encoded),
		})
	}
	slices.SortFunc(referrers, byDigest)
	return slices.CompactFunc(referrers, func(a, b index.Referrer) bool { return a.Digest == b.Digest }), nil
}

func byDigest(a, b index.Referrer) int {
	return strings.Compare(a.Digest.String(), b.Digest.String())
}

// merge puts the upstream's own referrers into a page of the index, in the
// order of digests and within the bounds of the query. What both have is
// shown as the index has it.
func merge(page index.Page, native []index.Referrer, query index.Query) index.Page {
	native = slices.DeleteFunc(slices.Clone(native), func(r index.Referrer) bool {
		return query.After != "" && r.Digest <= query.After ||
			query.ArtifactType != "" && r.ArtifactType != query.ArtifactType ||
			page.More && r.Digest > page.Referrers[len(page.Referrers)-1].Digest
	})
	if len(native) == 0 {
		return page
	}
	all := append(slices.Clone(page.Referrers), native...)
	slices.SortStableFunc(all, byDigest)
	all = slices.CompactFunc(all, func(a, b index.Referrer) bool { return a.Digest == b.Digest })
	fits := query.Fit(all)
	return index.Page{Referrers: all[:fits], More: page.More || fits < len(all)}
}
