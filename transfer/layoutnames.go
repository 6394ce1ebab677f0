package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	orasoci "oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// ownNames are the names in index.json that are no subject's referrers tag, nor
// that of a legacy referrer.
type ownNames map[ownName]bool

type ownName struct {
	digest digest.Digest
	name   string
}

// newOwnNames reads what the entries with a name of that form stand for.
func newOwnNames(ctx context.Context, store *orasoci.ReadOnlyStore, entries []ocispec.Descriptor) (ownNames, error) {
	own := ownNames{}
	for _, entry := range entries {
		name := refName(entry)
		if name == "" {
			continue
		}
		serves := false
		if oci.IsReferrersTag(name) {
			var err error
			if serves, err = servesReferrers(ctx, store, entry); err != nil {
				return nil, err
			}
		}
		if oci.IsCosignTag(name) {
			var err error
			if serves, err = isLegacy(ctx, store, entry); err != nil {
				return nil, err
			}
		}
		own[ownName{entry.Digest, name}] = !serves
	}
	return own, nil
}

// of returns the name that an entry has of its own.
func (n ownNames) of(entry ocispec.Descriptor) string {
	if name := refName(entry); n[ownName{entry.Digest, name}] {
		return name
	}
	return ""
}

// servesReferrers tells whether an entry that is named as a referrers tag has
// the name for the subject's sake: it is a referrer, or a list of them. Mirroring
// tools name an image after its own digest in that form. Of a list that lists
// nothing that is there, nothing is lost with its name.
func servesReferrers(ctx context.Context, store *orasoci.ReadOnlyStore, entry ocispec.Descriptor) (bool, error) {
	name := refName(entry)
	named, err := layoutManifest(ctx, store, entry)
	switch {
	case missing(err):
		return true, nil
	case errors.Is(err, index.ErrManifest):
		return false, nil
	case err != nil:
		return false, err
	}
	if subject := named.Subject(); subject != "" && oci.ReferrersTag(subject) == name {
		return true, nil
	}
	meaning, err := index.JudgeTag(ctx, name, func(ctx context.Context, reference string) (index.Manifest, error) {
		if reference == name {
			return named.Manifest, nil
		}
		d, err := store.Resolve(ctx, reference)
		if err == nil {
			var m client.Manifest
			if m, err = layoutManifest(ctx, store, d); err == nil {
				return m.Manifest, nil
			}
		}
		if missing(err) {
			err = fmt.Errorf("%w: %w", index.ErrNotFound, err)
		}
		return index.Manifest{}, err
	}, 1)
	nothing := named.MediaType == oci.MediaTypeImageIndex && named.Subject() == "" && len(meaning.Gone) == len(named.Edges)
	return meaning.Kind == index.TagReferrers || nothing, err
}

// missing tells whether a layout has not got what was asked for.
func missing(err error) bool {
	return errors.Is(err, errdef.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}

// layoutManifest reads a manifest of a layout.
func layoutManifest(ctx context.Context, store *orasoci.ReadOnlyStore, d ocispec.Descriptor) (client.Manifest, error) {
	body, err := content.FetchAll(ctx, store, d)
	if err != nil {
		return client.Manifest{}, fmt.Errorf("read manifest %s: %w", d.Digest, err)
	}
	mediaType := d.MediaType
	if mediaType == "application/octet-stream" {
		mediaType = "" // that of a file; the manifest says its own
	}
	m, err := client.ParseManifest(mediaType, d.Digest, body)
	if err != nil {
		return client.Manifest{}, fmt.Errorf("read manifest %s: %w", d.Digest, err)
	}
	return m, nil
}
