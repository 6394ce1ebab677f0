package transfer

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// listed makes sure that a registry with the referrers API lists referrers. It
// may have got a manifest before it had the API, or past it; such a one is
// pushed again.
func (t *registryTarget) listed(ctx context.Context, subject digest.Digest, referrers []client.Manifest) error {
	missing, err := t.unlisted(ctx, subject, referrers)
	if err != nil || len(missing) == 0 {
		return err
	}
	for _, m := range missing {
		if err := t.PutManifest(ctx, m, ""); err != nil {
			return err
		}
	}
	if missing, err = t.unlisted(ctx, subject, missing); err != nil || len(missing) == 0 {
		return err
	}
	return fmt.Errorf("%s took %d referrers of %s and lists them not, %s among them",
		t.repository.Reference.Host, len(missing), subject, missing[0].Digest)
}

func (t *registryTarget) unlisted(ctx context.Context, subject digest.Digest, referrers []client.Manifest) ([]client.Manifest, error) {
	listing, err := t.repository.AllReferrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	known := map[digest.Digest]bool{}
	for _, d := range listing {
		known[d.Digest] = true
	}
	return without(referrers, known), nil
}

// without returns the manifests that are not known.
func without(manifests []client.Manifest, known map[digest.Digest]bool) []client.Manifest {
	var missing []client.Manifest
	for _, m := range manifests {
		if !known[m.Digest] {
			missing = append(missing, m)
		}
	}
	return missing
}
