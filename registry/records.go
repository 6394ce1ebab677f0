package registry

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// Resolve returns the digest of the manifest that a text names: a digest names
// itself, and a tag is resolved by the upstream, as the caller. Whether the
// caller may read in the repository is asked with it. A tag that the upstream
// has not, as far as the caller sees, is [upstream.ErrNotFound].
func (r *Registry) Resolve(ctx context.Context, caller *Caller, reference Reference) (digest.Digest, error) {
	if reference.Digest != "" {
		return reference.Digest, r.Enter(ctx, caller, reference.Digest)
	}
	subject, err := r.tagDigest(ctx, caller, reference.Tag)
	if err == nil {
		r.permit(caller)
	}
	return subject, err
}

// ResolveTags resolves tags, as the caller. A tag that is not there is left out.
func (r *Registry) ResolveTags(ctx context.Context, caller *Caller, names []string) (map[string]digest.Digest, error) {
	var mutex sync.Mutex
	tagged := make(map[string]digest.Digest, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.limits.Concurrency)
	for _, name := range names {
		group.Go(func() error {
			manifest, err := r.tagDigest(ctx, caller, name)
			if errors.Is(err, upstream.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			tagged[name] = manifest
			return nil
		})
	}
	err := group.Wait()
	if err == nil && len(tagged) > 0 {
		r.permit(caller)
	}
	return tagged, err
}

// tagDigest resolves a tag, as the caller. Where the upstream does so, that is
// a permission, which is for the caller to note: many may ask at once.
func (r *Registry) tagDigest(ctx context.Context, caller *Caller, tag string) (digest.Digest, error) {
	resolved, err := r.upstream.Resolve(ctx, caller.as, caller.repository, tag)
	if err == nil && resolved == "" {
		var manifest upstream.Manifest
		manifest, err = r.upstream.Manifest(ctx, caller.as, caller.repository, tag, r.limits.Size)
		resolved = manifest.Digest
	}
	return resolved, err
}

// Records returns the records of manifests. Those that the index doesn't have
// are fetched as the caller and recorded; those that the upstream doesn't have
// either are left out. The caller has to be one who is permitted.
func (r *Registry) Records(ctx context.Context, caller *Caller, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
	for attempt := 1; ; attempt++ {
		records, err := r.readRecords(ctx, caller, manifests)
		if !errors.Is(err, index.ErrStale) || attempt == maxAttempts {
			return records, err
		}
	}
}

func (r *Registry) readRecords(ctx context.Context, caller *Caller, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
	mark, err := r.store.Mark(ctx)
	if err != nil {
		return nil, err
	}
	records := make(map[digest.Digest]index.Record, len(manifests))
	var unknown []digest.Digest
	for _, manifest := range manifests {
		record, err := r.store.Get(ctx, caller.repository, manifest)
		switch {
		case errors.Is(err, index.ErrNotFound):
			unknown = append(unknown, manifest)
		case err != nil:
			return nil, err
		default:
			records[manifest] = record
		}
	}
	fetched, err := r.fetchManifests(ctx, caller, unknown)
	if err != nil {
		return nil, err
	}
	var readable []index.Record
	for _, record := range fetched {
		records[record.Digest] = record
		if !record.Seen.IsZero() {
			readable = append(readable, record)
		}
	}
	if len(readable) == 0 {
		return records, nil
	}
	return records, r.store.Observe(ctx, mark, readable...)
}

// fetchManifests fetches what the upstream has of some manifests, as the
// caller. One that can't be had whole, or be read as a manifest, has no more
// than its digest, media type and size, and no time at which it was seen.
func (r *Registry) fetchManifests(ctx context.Context, caller *Caller, manifests []digest.Digest) ([]index.Record, error) {
	var mutex sync.Mutex
	var records []index.Record
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.limits.Concurrency)
	for _, manifest := range manifests {
		group.Go(func() error {
			fetched, err := r.upstream.Manifest(ctx, caller.as, caller.repository, manifest.String(), r.limits.Size)
			if errors.Is(err, upstream.ErrNotFound) || r.isBlob(ctx, caller, manifest, err) {
				return nil
			}
			if err != nil && !errors.Is(err, upstream.ErrInvalid) {
				return err
			}
			record := index.Record{Repository: caller.repository, Seen: r.now()}
			if err == nil {
				record.Manifest, err = r.limits.Manifest.ParseServed(fetched.MediaType, manifest.Algorithm(), fetched.Body)
			}
			if err != nil {
				record = index.Record{Repository: caller.repository, Manifest: index.Manifest{
					Digest: manifest, MediaType: fetched.MediaType, Size: int64(len(fetched.Body)),
				}}
			}
			mutex.Lock()
			defer mutex.Unlock()
			records = append(records, record)
			return nil
		})
	}
	err := group.Wait()
	return records, err
}
