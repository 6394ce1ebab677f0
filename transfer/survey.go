package transfer

import (
	"context"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// eager is a target to which some blobs are better sent than asked for.
type eager interface {
	Unasked(blob ocispec.Descriptor) bool
}

// surveyed is what a target was found to have before anything was written.
type surveyed struct {
	// present are the manifests that are as they are to be, with their tag.
	present map[digest.Digest]bool
	// absent are those whose content is not there, or was not asked for since their
	// subject is not there.
	absent map[digest.Digest]bool
	// held are the blobs of what is there, where the target is believed to have all
	// parts of what it has: see [lister].
	held map[digest.Digest]bool
	// fresh are the blobs that nothing which is there holds.
	fresh map[digest.Digest]bool
}

// survey finds out what the target has of the plan, those before that others need.
// A registry is asked as little as will do: what it doesn't list of referrers, and
// what it can't have had before, is not asked for. Pushing again what it has after all
// changes nothing.
func (r *run) survey(ctx context.Context, listed listings) error {
	_, believed := r.target.(lister)
	s := surveyed{map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}}
	r.surveyed = s
	for _, level := range r.plan.levels() {
		found := make([]presence, len(level))
		group, groupCtx := r.pool.workers(ctx)
		for i, n := range level {
			if believed {
				found[i] = r.implied(n, listed)
			}
			if found[i] == unasked {
				group.Go(func() (err error) {
					found[i], err = r.ask(groupCtx, n)
					return err
				})
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, n := range level {
			s.present[n.manifest.Digest] = found[i] == there
			s.absent[n.manifest.Digest] = found[i] == lacking
			for _, blob := range n.contents.AllBlobs() {
				switch {
				case found[i] == lacking && !s.held[blob.Digest]:
					s.fresh[blob.Digest] = true
				case found[i] != lacking && believed:
					s.held[blob.Digest] = true
					delete(s.fresh, blob.Digest)
				}
			}
		}
	}
	return nil
}

// presence says whether a target has a manifest.
type presence int

const (
	unasked presence = iota
	there
	// untagged is one that is there, and not under its tag.
	untagged
	lacking
)

// implied tells of a manifest what follows from what is known.
func (r *run) implied(n *node, listed listings) presence {
	subject := n.manifest.Subject()
	_, known := r.manifests.known(n.manifest.Digest.String())
	switch lists, isListed := listed[subject]; {
	case n == r.plan.root && r.tag != "":
		return unasked
	case known:
		return there
	case subject == "":
		return unasked
	case isListed && lists[n.manifest.Digest]:
		// A list may be older than a collection of garbage.
		return unasked
	case isListed, r.surveyed.absent[subject]:
		return lacking
	default:
		return unasked
	}
}

// ask asks the target for a manifest.
func (r *run) ask(ctx context.Context, n *node) (presence, error) {
	tag := r.tagOf(n)
	has, err := r.target.HasManifest(ctx, n.manifest, tag)
	if err != nil || has {
		return there, err
	}
	if tag != "" {
		has, err = r.target.HasManifest(ctx, n.manifest, "")
		if err != nil || has {
			return untagged, err
		}
	}
	return lacking, nil
}

// tagOf returns the tag that a manifest gets; empty for none.
func (r *run) tagOf(n *node) string {
	if n == r.plan.root {
		return r.tag
	}
	return ""
}

// bringBlob brings a blob into the target, which is asked for it unless the survey
// tells.
func (r *run) bringBlob(ctx context.Context, blob ocispec.Descriptor) (Outcome, error) {
	if r.surveyed.held[blob.Digest] && !isForeign(blob) {
		return Present, nil
	}
	if to, is := r.target.(eager); is && r.surveyed.fresh[blob.Digest] && !isForeign(blob) && to.Unasked(blob) {
		return r.putBlob(ctx, blob)
	}
	return r.copyBlob(ctx, blob)
}
