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
	group.SetLimit(r.Limits().Concurrency)
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
	return r.reader(caller).Resolve(ctx, caller.repository, tag)
}

// Records returns the records of manifests. Those that the index doesn't have
// are fetched as the caller and recorded; those that the upstream doesn't have
// either are left out. The caller has to be one who is permitted.
func (r *Registry) Records(ctx context.Context, caller *Caller, manifests []digest.Digest) (records map[digest.Digest]index.Record, err error) {
	err = UnderMark(ctx, r.store, func(ctx context.Context, mark index.Mark) error {
		records, err = r.readRecords(ctx, caller, mark, manifests)
		return err
	})
	return records, err
}

func (r *Registry) readRecords(ctx context.Context, caller *Caller, mark index.Mark, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
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
	found, unreadable, err := r.readManifests(ctx, caller, unknown)
	if err != nil {
		return nil, err
	}
	// What is answered now and what is read from the index later are one record.
	seen := r.now()
	for _, manifest := range found {
		records[manifest.Digest] = index.Record{Repository: caller.repository, Manifest: manifest, Seen: seen}
	}
	for _, manifest := range unreadable {
		records[manifest.Digest] = index.Record{Repository: caller.repository, Manifest: manifest}
	}
	return records, observe(ctx, r.store, mark, caller.repository, seen, found...)
}

// readManifests reads what the upstream has of some manifests, as the caller. Of
// one that can't be had whole, or be read as a manifest, there is no more than
// its digest, media type and size.
func (r *Registry) readManifests(ctx context.Context, caller *Caller, manifests []digest.Digest) (found, unreadable []index.Manifest, err error) {
	reader := r.reader(caller)
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for _, manifest := range manifests {
		group.Go(func() error {
			read, err := reader.Manifest(ctx, caller.repository, manifest.String())
			outcome := OutcomeOf(err)
			if outcome == OutcomeGone || r.isBlob(ctx, caller, manifest, err) {
				return nil
			}
			mutex.Lock()
			defer mutex.Unlock()
			switch outcome {
			case OutcomeRead:
				found = append(found, read.Manifest)
			case OutcomeUnreadable, OutcomeExcessive, OutcomeUntyped:
				read.Digest = manifest
				unreadable = append(unreadable, read.Manifest)
			default:
				return err
			}
			return nil
		})
	}
	err = group.Wait()
	return found, unreadable, err
}
