package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// nativeReferrers asks the upstream's own referrers API, as the client. It
// returns none where the upstream has no such API for the subject.
func (p *Proxy) nativeReferrers(ctx context.Context, client *reader, subject digest.Digest) ([]oci.Descriptor, error) {
	if client.permitted && p.native.quiet(client.repository, subject) {
		return nil, nil
	}
	entries, err := p.upstream.Referrers(ctx, client.as, client.repository, subject, p.config.Limits.TagEntries)
	switch {
	case errors.Is(err, upstream.ErrNoReferrers):
		return nil, p.withoutNative(ctx, client, subject, err)
	case err != nil:
		return nil, err
	case len(entries) > 0:
		p.permit(client)
	}
	p.native.answered(client.repository)
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

// nativeChunk is how many manifests that the upstream lists are read before they
// are recorded: what a long list has begun is there for the next query.
const nativeChunk = 256

// readNative records what only the upstream's own API lists, so that from then on
// the index speaks for it: some registries list an entry without its artifact
// type or annotations, and when it was seen is known only then. It returns the
// entries that can't be recorded, as the upstream lists them: it may know what it
// says. One whose manifest has another subject is no referrer.
func (p *Proxy) readNative(ctx context.Context, client *reader, subject digest.Digest, native []oci.Descriptor) ([]oci.Descriptor, error) {
	unknown, err := p.unknownOf(ctx, client.repository, native)
	if err != nil {
		return nil, err
	}
	var left []oci.Descriptor
	for chunk := range slices.Chunk(unknown, nativeChunk) {
		mark, err := p.store.Mark(ctx)
		if err != nil {
			return nil, err
		}
		records, unread, err := p.fetchListed(ctx, client, subject, chunk)
		if err != nil {
			return nil, err
		}
		left = append(left, unread...)
		if len(records) == 0 {
			continue
		}
		if err := p.store.Observe(ctx, mark, records...); err != nil {
			return nil, err
		}
		for _, record := range records {
			// Where the store leaves one out it was there nevertheless.
			left = append(left, record.Descriptor())
		}
	}
	return left, nil
}

// unknownOf returns the entries that the index doesn't have.
func (p *Proxy) unknownOf(ctx context.Context, repository string, entries []oci.Descriptor) ([]oci.Descriptor, error) {
	var unknown []oci.Descriptor
	for _, entry := range entries {
		known, err := p.recorded(ctx, repository, entry.Digest)
		if err != nil {
			return nil, err
		}
		if !known {
			unknown = append(unknown, entry)
		}
	}
	return unknown, nil
}

// fetchListed fetches the manifests that the upstream lists as referrers of a
// subject, as the client, and returns beside them the entries whose manifests
// can't be had, or read.
func (p *Proxy) fetchListed(ctx context.Context, client *reader, subject digest.Digest, entries []oci.Descriptor) ([]index.Record, []oci.Descriptor, error) {
	var mutex sync.Mutex
	var records []index.Record
	var unread []oci.Descriptor
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.config.Limits.UpstreamQueries)
	for _, entry := range entries {
		group.Go(func() error {
			manifest, err := p.fetchEntry(ctx, client, entry)
			mutex.Lock()
			defer mutex.Unlock()
			switch {
			case errors.Is(err, upstream.ErrNotFound), errors.Is(err, upstream.ErrInvalid), errors.Is(err, index.ErrManifest):
				unread = append(unread, entry)
			case err != nil:
				return err
			case manifest.Subject() == subject:
				records = append(records, index.Record{Repository: client.repository, Manifest: manifest, Seen: p.now()})
			}
			return nil
		})
	}
	return records, unread, group.Wait()
}

// fetchEntry fetches a manifest that the upstream lists. Of which media type it
// is, the entry may be all that tells.
func (p *Proxy) fetchEntry(ctx context.Context, client *reader, entry oci.Descriptor) (index.Manifest, error) {
	fetched, err := p.upstream.Manifest(ctx, client.as, client.repository, entry.Digest.String(), int64(p.config.Limits.ManifestSize))
	if err != nil {
		return index.Manifest{}, err
	}
	manifest, err := p.manifestLimits().ParseServed(fetched.MediaType, entry.Digest.Algorithm(), fetched.Body)
	if errors.Is(err, index.ErrMediaType) && entry.MediaType != "" {
		return p.manifestLimits().Parse(entry.MediaType, entry.Digest.Algorithm(), fetched.Body)
	}
	return manifest, err
}

// page reads a page from the index, and merges in further referrers of the
// upstream's own. Of those that both have the index speaks alone: it may know of
// another time, and other annotations, and so place them elsewhere.
func (p *Proxy) page(ctx context.Context, repository string, subject digest.Digest, native []oci.Descriptor, query index.Query) (index.Page, error) {
	selected, err := selectReferrers(native, query)
	if err != nil {
		return index.Page{}, err
	}
	if _, err := p.shorten(selected); err != nil {
		return index.Page{}, err
	}
	before, err := p.unrecorded(ctx, repository, selected)
	if err != nil {
		return index.Page{}, err
	}
	page, err := p.readPage(ctx, repository, subject, query)
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
func selectReferrers(entries []oci.Descriptor, query index.Query) ([]index.Referrer, error) {
	var referrers []index.Referrer
	for _, entry := range entries {
		descriptor := oci.Descriptor(entry)
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
