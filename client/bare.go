package client

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// filled returns entries of a referrers API in which those that lack their
// artifact type or annotations are as their manifests have them: some registries
// leave these out, and nothing could be chosen by them.
func (r *Repository) filled(ctx context.Context, entries []oci.Descriptor) ([]oci.Descriptor, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, entry := range entries {
		if entry.ArtifactType != "" && len(entry.Annotations) > 0 {
			continue
		}
		group.Go(func() error {
			m, err := r.Manifest(ctx, entry.Digest.String())
			switch {
			case errors.Is(err, ErrNotFound), errors.Is(err, index.ErrManifest):
				return nil // what the registry says is all that is known
			case err != nil:
				return err
			}
			entries[i] = m.Descriptor()
			return nil
		})
	}
	return entries, group.Wait()
}
