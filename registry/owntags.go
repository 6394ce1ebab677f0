package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

var (
	// ErrNotOurs means that a tag stands for something that backref may not
	// overwrite or delete. Its text says why.
	ErrNotOurs = errors.New("it is something else, and is left alone")
	// ErrMoved means that a tag stands for another manifest than the caller
	// knows of. It has to look again.
	ErrMoved = errors.New("the tag was moved meanwhile")
)

// OwnTags is what backref writes to the registry, and deletes there, of its own
// accord, but for the manifests that a [Removal] and [CarryingOut] delete. Nothing else calls
// [upstream.Registry.PutManifest], [upstream.Registry.DeleteManifest] and
// [upstream.Registry.DeleteTag]. Each
// method asks the registry what is there just before it acts, and again before
// each further try; what it can't show to be backref's to change is [ErrNotOurs].
// Other errors are those of the registry and the index. It may be used
// concurrently.
type OwnTags struct {
	*Reader
}

// WriteReferrers puts the index of a subject's referrers behind their tag. from
// is the manifest that it was made from, empty where there was none: where the
// tag stands for another by now, the error is [ErrMoved].
func (o OwnTags) WriteReferrers(ctx context.Context, repository string, subject, from digest.Digest, body []byte) error {
	tag := oci.ReferrersTag(subject)
	written := digest.FromBytes(body)
	return o.ask(ctx, func(ctx context.Context) error {
		judged, err := o.Judge(ctx, repository, tag)
		if err != nil {
			return err
		}
		if err := CheckOurs(judged, repository, subject); err != nil {
			return err
		}
		switch judged.Digest {
		case written:
			return nil // By a try whose answer was lost.
		case from:
			return o.Upstream.PutManifest(ctx, o.As, repository, tag, oci.MediaTypeImageIndex, body)
		default:
			return fmt.Errorf("tag %s of %s: %w", tag, repository, ErrMoved)
		}
	})
}

// CheckOurs returns [ErrNotOurs] unless what stands behind a subject's referrers tag
// is nothing, or the index of exactly its referrers.
func CheckOurs(judged Judged, repository string, subject digest.Digest) error {
	switch {
	case judged.Kind == index.TagOther:
		return notOurs(repository, oci.ReferrersTag(subject), judged.Reason)
	case judged.Kind == index.TagReferrers && judged.Subject != subject:
		return notOurs(repository, oci.ReferrersTag(subject), "it lists the referrers of "+judged.Subject.String())
	default:
		return nil
	}
}

// DropReferrers deletes an index of referrers by its digest: what a referrers
// tag stands for, or stood for. One that is gone is no error.
func (o OwnTags) DropReferrers(ctx context.Context, repository, tag string, list digest.Digest) error {
	return o.ask(ctx, func(ctx context.Context) error {
		judged, err := o.judge(ctx, repository, tag, o.listed(repository, list.String()))
		switch {
		case err != nil:
			return err
		case judged.Kind == index.TagOther:
			return notOurs(repository, tag, judged.Reason)
		case judged.Kind == index.TagAbsent:
			return nil
		}
		err = o.Upstream.DeleteManifest(ctx, o.As, repository, list)
		if errors.Is(err, upstream.ErrNotFound) {
			return nil
		}
		return err
	})
}

// WriteHidden gives a referrer its hidden tag, unless it has it. A referrer that
// is gone is [upstream.ErrNotFound].
func (o OwnTags) WriteHidden(ctx context.Context, repository string, referrer digest.Digest) error {
	tag := oci.HiddenTag(referrer)
	return o.ask(ctx, func(ctx context.Context) error {
		stands, err := o.standsFor(ctx, repository, tag, referrer)
		if stands || err != nil {
			return err
		}
		manifest, err := o.fetch(ctx, repository, referrer.String())
		if err != nil {
			return err
		}
		return o.Upstream.PutManifest(ctx, o.As, repository, tag, manifest.MediaType, manifest.Body)
	})
}

// DropHidden deletes the hidden tag of a referrer, for a delete of the referrer
// that the registry refuses because of the tag. A tag that is not there is
// [upstream.ErrNotFound].
func (o OwnTags) DropHidden(ctx context.Context, repository string, referrer digest.Digest) error {
	tag := oci.HiddenTag(referrer)
	return o.ask(ctx, func(ctx context.Context) error {
		stands, err := o.standsFor(ctx, repository, tag, referrer)
		switch {
		case err != nil:
			return err
		case !stands:
			return fmt.Errorf("tag %s of %s: %w", tag, repository, upstream.ErrNotFound)
		}
		return o.Upstream.DeleteTag(ctx, o.As, repository, tag)
	})
}

// deleteNothing asks for the delete of a manifest that nobody has: of a digest
// that was made up. What lets the caller delete says [upstream.ErrNotFound].
func (o OwnTags) deleteNothing(ctx context.Context, repository string) error {
	return o.dropManifest(ctx, repository, digest.FromString(rand.Text()))
}

// standsFor tells whether a tag stands for a manifest. It is false where the tag
// is not there.
func (o OwnTags) standsFor(ctx context.Context, repository, tag string, manifest digest.Digest) (bool, error) {
	stated, err := o.Upstream.Resolve(ctx, o.As, repository, tag)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case stated == manifest:
		return true, nil
	}
	// The registry may call it by a digest of another algorithm, or by none.
	current, err := o.fetch(ctx, repository, tag)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case manifest.Algorithm().FromBytes(current.Body) != manifest:
		return false, notOurs(repository, tag, "it stands for "+current.Digest.String())
	}
	return true, nil
}

func notOurs(repository, tag, reason string) error {
	return fmt.Errorf("tag %s of %s: %w: %s", tag, repository, ErrNotOurs, reason)
}
