package transfer

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// listed makes sure that a registry with the referrers API lists referrers. It
// may have got a manifest before it had the API, or past it; such a one is
// pushed again.
func (t *registryTarget) listed(ctx context.Context, subject digest.Digest, listing []oci.Descriptor, referrers []client.Manifest) error {
	missing := unlisted(listing, referrers)
	if len(missing) == 0 {
		return nil
	}
	for _, m := range missing {
		if err := t.PutManifest(ctx, m, ""); err != nil {
			return err
		}
	}
	listing, err := t.repository.AllReferrers(ctx, subject)
	if err != nil {
		return err
	}
	if missing = unlisted(listing, missing); len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s took %d referrers of %s and lists them not, %s among them",
		t.repository.Reference.Host, len(missing), subject, missing[0].Digest)
}

// unlisted returns the referrers that a listing lacks.
func unlisted(listing []oci.Descriptor, referrers []client.Manifest) []client.Manifest {
	known := digestsOf(listing)
	var missing []client.Manifest
	for _, m := range referrers {
		if !known[m.Digest] {
			missing = append(missing, m)
		}
	}
	return missing
}
