package registry

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// withoutRemoved leaves out the entries whose manifests are being removed: see
// [index.Remover].
func withoutRemoved[E any](ctx context.Context, removals index.Remover, repository string, entries []E, named func(E) digest.Digest) ([]E, error) {
	if len(entries) == 0 {
		return entries, nil
	}
	names := make([]digest.Digest, len(entries))
	for i, entry := range entries {
		names[i] = named(entry)
	}
	removing, err := removals.Removing(ctx, repository, names)
	if err != nil || len(removing) == 0 {
		return entries, err
	}
	return slices.DeleteFunc(entries, func(entry E) bool {
		_, is := removing[named(entry)]
		return is
	}), nil
}
