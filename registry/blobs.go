package registry

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// isBlob tells whether the upstream has what it failed at as a manifest as a
// blob.
func (r *Registry) isBlob(ctx context.Context, caller *Caller, sum digest.Digest, failure error) bool {
	if !brokenManifest(failure) {
		return false
	}
	blob, err := r.upstream.HasBlob(ctx, caller.as, caller.repository, sum)
	return blob && err == nil
}

// blobsAmong returns those of the entries of an index that are blobs. A record
// that was written when every entry of an index counted as a manifest names the
// layers of a cache so. Only what has no record is asked for.
func (r *Registry) blobsAmong(ctx context.Context, caller *Caller, entries []digest.Digest, records map[digest.Digest]index.Record) (map[digest.Digest]bool, error) {
	var mutex sync.Mutex
	blobs := map[digest.Digest]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for _, entry := range entries {
		if _, known := records[entry]; known {
			continue
		}
		group.Go(func() error {
			blob, err := r.upstream.HasBlob(ctx, caller.as, caller.repository, entry)
			mutex.Lock()
			defer mutex.Unlock()
			blobs[entry] = blob
			return err
		})
	}
	return blobs, group.Wait()
}
