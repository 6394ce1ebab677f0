package registry

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

// nativeReferrers asks the upstream's own referrers API, as the caller. It
// returns none where the upstream has no such API for the subject.
func (r *Registry) nativeReferrers(ctx context.Context, caller *Caller, subject digest.Digest) ([]oci.Descriptor, error) {
	if caller.Permitted() && r.native.quiet(caller.repository, subject) {
		return nil, nil
	}
	within, span := r.spans.Begin(ctx, "ask referrers API")
	entries, err := r.upstream.Referrers(within, caller.as, caller.repository, subject, r.Limits().Entries)
	span.End(notAPI(err))
	switch {
	case errors.Is(err, upstream.ErrNoReferrers):
		return nil, r.withoutNative(ctx, caller, subject, err)
	case err != nil:
		return nil, err
	case len(entries) > 0:
		r.permit(caller)
	}
	r.native.answered(caller.repository)
	return entries, nil
}

// notAPI returns an error but for that which says that the upstream has no such
// API, which is an answer like others.
func notAPI(err error) error {
	if errors.Is(err, upstream.ErrNoReferrers) {
		return nil
	}
	return err
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
func (r *Registry) readNative(ctx context.Context, caller *Caller, subject digest.Digest, native []oci.Descriptor) (left []oci.Descriptor, err error) {
	if len(native) == 0 {
		return nil, nil
	}
	ctx, span := r.spans.Begin(ctx, "read native referrers")
	defer func() { span.End(err) }()
	unknown, err := r.unknownOf(ctx, caller.repository, native)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(unknown, nativeChunk) {
		mark, err := r.store.Mark(ctx)
		if err != nil {
			return nil, err
		}
		manifests, unread, err := r.readListed(ctx, caller, subject, chunk)
		if err != nil {
			return nil, err
		}
		left = append(left, unread...)
		if err := r.observe(ctx, mark, caller.repository, manifests...); err != nil {
			return nil, err
		}
		for _, manifest := range manifests {
			// Where the store leaves one out it was there nevertheless.
			left = append(left, manifest.Descriptor())
		}
	}
	return left, nil
}

// unknownOf returns the entries that the index doesn't have, but for those that are
// being removed: these are listed no more, whatever the upstream has still.
func (r *Registry) unknownOf(ctx context.Context, repository string, entries []oci.Descriptor) ([]oci.Descriptor, error) {
	var unknown []oci.Descriptor
	for _, entry := range entries {
		known, err := r.recorded(ctx, repository, entry.Digest)
		if err != nil {
			return nil, err
		}
		if !known {
			unknown = append(unknown, entry)
		}
	}
	return withoutRemoved(ctx, r.store, repository, unknown, func(entry oci.Descriptor) digest.Digest { return entry.Digest })
}

// readListed reads the manifests that the upstream lists as referrers of a
// subject, as the caller, and returns beside them the entries whose manifests
// can't be had, or read.
func (r *Registry) readListed(ctx context.Context, caller *Caller, subject digest.Digest, entries []oci.Descriptor) ([]index.Manifest, []oci.Descriptor, error) {
	reader := r.reader(caller)
	var mutex sync.Mutex
	var manifests []index.Manifest
	var unread []oci.Descriptor
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for _, entry := range entries {
		group.Go(func() error {
			manifest, is, err := reader.listedReferrer(ctx, caller.repository, subject, entry)
			mutex.Lock()
			defer mutex.Unlock()
			switch {
			case err != nil:
				return err
			case manifest.Digest == "":
				unread = append(unread, entry)
			case is:
				manifests = append(manifests, manifest)
			}
			return nil
		})
	}
	return manifests, unread, group.Wait()
}

// listedReferrer reads a manifest that the registry's own API lists as a referrer
// of a subject, and tells whether it is one. One that can't be had, or read, has
// no digest: what the registry says of it is all that there is.
func (r *Reader) listedReferrer(ctx context.Context, repository string, subject digest.Digest, entry oci.Descriptor) (index.Manifest, bool, error) {
	found, err := r.Listed(ctx, repository, entry)
	switch OutcomeOf(err) {
	case OutcomeRead:
		return found.Manifest, found.Subject() == subject, nil
	case OutcomeGone, OutcomeUnreadable, OutcomeExcessive:
		return index.Manifest{}, false, nil
	default:
		return index.Manifest{}, false, err
	}
}

// page reads a page from the index, and merges in further referrers of the
// upstream's own. Of those that both have the index speaks alone: it may know of
// another time, and other annotations, and so place them elsewhere.
func (r *Registry) page(ctx context.Context, grant Grant, subject digest.Digest, native []oci.Descriptor, query index.Query) (read index.Page, err error) {
	ctx, span := r.spans.Begin(ctx, "read page")
	defer func() { span.End(err) }()
	selected, err := selectReferrers(native, query)
	if err != nil {
		return index.Page{}, err
	}
	if _, err := r.shorten(selected); err != nil {
		return index.Page{}, err
	}
	before, err := r.unrecorded(ctx, grant, selected)
	if err != nil {
		return index.Page{}, err
	}
	page, err := r.readPage(ctx, grant, subject, query)
	if err != nil {
		return index.Page{}, err
	}
	after, err := r.unrecorded(ctx, grant, selected)
	if err != nil {
		return index.Page{}, err
	}
	if len(before) != len(after) {
		// One of them came or went, so that it may be in neither of the two.
		return index.Page{}, index.ErrStale
	}
	return merge(page, after, query), nil
}

// unrecorded returns the entries that the index doesn't have and that are not being
// removed.
func (r *Registry) unrecorded(ctx context.Context, grant Grant, entries []index.Referrer) ([]index.Referrer, error) {
	var unrecorded []index.Referrer
	for _, entry := range entries {
		known, err := r.recorded(ctx, grant.repository, entry.Digest)
		if err != nil {
			return nil, err
		}
		if !known {
			unrecorded = append(unrecorded, entry)
		}
	}
	return withoutRemoved(ctx, r.store, grant.repository, unrecorded, func(entry index.Referrer) digest.Digest { return entry.Digest })
}

// selectReferrers returns the entries that belong on a page of the query or a
// later one, in its order.
func selectReferrers(entries []oci.Descriptor, query index.Query) ([]index.Referrer, error) {
	var referrers []index.Referrer
	for _, entry := range entries {
		place := query.Order.Cursor(entry, time.Time{})
		if !query.Matches(entry) || !query.Behind(place) {
			continue
		}
		encoded, err := entry.Encode()
		if err != nil {
			return nil, err
		}
		referrer := index.Referrer{Digest: entry.Digest, ArtifactType: entry.ArtifactType, Key: place.Key, Descriptor: json.RawMessage(encoded)}
		if query.Dated {
			referrer.Created, _ = index.Created(entry.Annotations)
		}
		referrers = append(referrers, referrer)
	}
	slices.SortFunc(referrers, func(a, b index.Referrer) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	referrers = slices.CompactFunc(referrers, func(a, b index.Referrer) bool { return a.Digest == b.Digest })
	slices.SortFunc(referrers, inOrder(query))
	return referrers, nil
}

func inOrder(query index.Query) func(a, b index.Referrer) int {
	return func(a, b index.Referrer) int { return query.Order.Compare(a.Cursor(), b.Cursor()) }
}

// merge puts further entries, that are not in it, into a page of the index, in
// the order and within the bounds of the query.
func merge(page index.Page, further []index.Referrer, query index.Query) index.Page {
	if page.More {
		last := page.Referrers[len(page.Referrers)-1].Cursor()
		further = slices.DeleteFunc(slices.Clone(further), func(r index.Referrer) bool {
			return query.Order.Compare(r.Cursor(), last) > 0
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
