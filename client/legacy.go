package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Legacy is a legacy referrer: a manifest that cosign 2 keeps under a tag named
// after what it is about.
type Legacy struct {
	Manifest
	// Listed is the entry by which it is shown, with its tag.
	Listed oci.Descriptor
}

// NewLegacy returns a manifest as the legacy referrer that it is under a tag, and
// whether it is one: see [index.LegacyReferrer].
func NewLegacy(tag string, m Manifest) (Legacy, bool) {
	listed, is := index.LegacyReferrer(tag, m.Manifest, m.Body)
	return Legacy{m, listed}, is
}

// Legacy returns the legacy referrers of a subject. The three tags of cosign are
// asked for, whatever answers for the registry; one that stands for something
// else, or for what can't be read as a manifest, is none.
func (r *Repository) Legacy(ctx context.Context, subject digest.Digest) ([]Legacy, error) {
	tags := oci.CosignTags(subject)
	found := make([]Legacy, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, tag := range tags {
		group.Go(func() error {
			m, err := r.Manifest(ctx, tag)
			switch {
			case errors.Is(err, ErrNotFound), errors.Is(err, index.ErrManifest), errors.Is(err, index.ErrMediaType), errors.Is(err, errTooLarge):
			case err != nil:
				return err
			default:
				found[i], _ = NewLegacy(tag, m)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list legacy referrers of %s: %w", r.Reference.At(subject), err)
	}
	return slices.DeleteFunc(found, func(l Legacy) bool { return !l.Listed.Legacy }), nil
}

// withLegacy adds the legacy referrers of a subject to its others.
func (r *Repository) withLegacy(ctx context.Context, subject digest.Digest, all []oci.Descriptor) ([]oci.Descriptor, error) {
	found, err := r.Legacy(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, l := range found {
		all = append(all, l.Listed)
	}
	return all, nil
}

// legacyText is the value of the parameter by which the extension is asked for
// legacy referrers, or for none.
func legacyText(query index.Query) string { return strconv.FormatBool(query.Legacy) }

// checkLegacy makes sure that what the extension lists as legacy has a tag of the
// subject: copies write it.
func checkLegacy(subject digest.Digest, all []Referrer) error {
	for _, d := range all {
		if d.Legacy && !slices.Contains(oci.CosignTags(subject), d.Tag) {
			return fmt.Errorf("the answer lists %s as legacy by the tag %q, which is none of %s", d.Digest, d.Tag, subject)
		}
	}
	return nil
}

// unmarked returns entries of a registry's own listing, in which none is legacy.
func unmarked(all []oci.Descriptor) []oci.Descriptor {
	for i := range all {
		all[i].Legacy, all[i].Tag = false, ""
	}
	return all
}
