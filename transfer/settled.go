package transfer

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// lister is a target that tells what refers to a manifest, and can be believed to
// have all parts of what it has: a registry takes nothing that lacks some. Layouts
// are none, since a machine that went down may have left parts of files.
type lister interface {
	Lists(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error)
}

// Lists returns the referrers that the registry's clients find.
func (t *registryTarget) Lists(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error) {
	return t.repository.AllReferrers(ctx, subject)
}

// settling is the question whether a target lacks anything of an image.
type settling struct {
	*shared
	asked  *inquiry
	lister lister
	// found are the manifests that the target has, with their subject.
	found map[digest.Digest]visit
}

// settled reports whether a target that has a tag right has all that the copy
// would bring: the images of an index, which collection takes from some
// registries, and every referrer, since there may be new ones. Nothing but
// indexes is read for that.
func (c *shared) settled(ctx context.Context, root client.Manifest) (came image, settled bool, err error) {
	target, ok := c.target.(lister)
	if !ok {
		return image{}, false, nil
	}
	s := settling{c, newInquiry(c.source, root.Digest, c.request, c.pool), target, map[digest.Digest]visit{}}
	wave := []visit{{descriptor: root.Entry(), manifest: &root}}
	for len(wave) > 0 {
		if wave, settled, err = s.wave(ctx, wave); err != nil || !settled {
			return image{}, false, err
		}
	}
	for sum, v := range s.found {
		came.manifests++
		if v.isReferrer {
			came.referrers++
		}
		if c.manifests.note(sum.String(), v.subject) {
			c.tally.manifest(Event{What: "manifest", Outcome: Present, Digest: sum, MediaType: v.descriptor.MediaType, Size: v.descriptor.Size}, v.isReferrer)
		}
	}
	return came, true, nil
}

// wave asks about manifests, many at once, and returns those that they lead to and
// that were not met before.
func (s settling) wave(ctx context.Context, visits []visit) (next []visit, settled bool, err error) {
	for _, v := range visits {
		s.found[v.descriptor.Digest] = v
	}
	s.asked.expect(ctx, len(visits))
	below := make([][]visit, len(visits))
	group, ctx := s.pool.workers(ctx)
	for i, v := range visits {
		group.Go(func() error {
			found, settled, err := s.look(ctx, v)
			if err == nil && !settled {
				err = errUnsettled
			}
			below[i] = found
			return err
		})
	}
	if err := group.Wait(); err != nil {
		if errors.Is(err, errUnsettled) {
			err = nil
		}
		return nil, false, err
	}
	queued := map[digest.Digest]bool{}
	for _, found := range below {
		for _, v := range found {
			if _, again := s.found[v.descriptor.Digest]; !again && !queued[v.descriptor.Digest] {
				queued[v.descriptor.Digest] = true
				next = append(next, v)
			}
		}
	}
	return next, true, nil
}

// errUnsettled ends the question: the target lacks something.
var errUnsettled = errors.New("the target lacks something")

// look asks about one manifest, and returns those that it leads to.
func (s settling) look(ctx context.Context, v visit) (next []visit, settled bool, err error) {
	if v.subject != "" {
		// It is listed, which may be older than a collection of garbage.
		sum, err := s.target.Tagged(ctx, v.descriptor.Digest.String())
		if err != nil || sum != v.descriptor.Digest {
			return nil, false, err
		}
	}
	next, settled, err = s.children(ctx, v)
	if err != nil || !settled || !s.request.Referrers {
		return next, settled, err
	}
	query := s.request.Filter
	if v.isReferrer {
		query = index.Query{Legacy: query.Legacy}
	}
	wanted, err := s.asked.referrers(ctx, v.descriptor.Digest, query)
	if err != nil || len(wanted) == 0 {
		return next, err == nil, err
	}
	listed, err := s.lister.Lists(ctx, v.descriptor.Digest)
	if err != nil {
		return nil, false, err
	}
	has := digestsOf(listed)
	for _, d := range wanted {
		if d.Legacy {
			sum, err := s.target.Tagged(ctx, d.Tag)
			if err != nil {
				return nil, false, err
			}
			has[d.Digest] = sum == d.Digest
		}
		if !has[d.Digest] {
			return nil, false, nil
		}
		descriptor := ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		follow := visit{descriptor: descriptor, isReferrer: true}
		if !d.Legacy {
			follow.subject = v.descriptor.Digest
		}
		next = append(next, follow)
	}
	return next, true, nil
}

// children returns what an index lists, where the target has all of it. What may
// be a blob is left to a plan.
func (s settling) children(ctx context.Context, v visit) ([]visit, bool, error) {
	if v.descriptor.MediaType != oci.MediaTypeImageIndex && v.descriptor.MediaType != oci.MediaTypeDockerList {
		return nil, true, nil
	}
	if v.manifest == nil {
		m, err := s.source.Manifest(ctx, v.descriptor)
		if err != nil {
			return nil, false, err
		}
		v.manifest = &m
	}
	contents, err := v.manifest.Contents()
	if err != nil {
		return nil, false, err
	}
	var next []visit
	for _, entry := range contents.Manifests {
		if !oci.IsManifestType(entry.MediaType) {
			return nil, false, nil
		}
		sum, err := s.target.Tagged(ctx, entry.Digest.String())
		if err != nil || sum != entry.Digest {
			return nil, false, err
		}
		next = append(next, visit{descriptor: entry, isReferrer: v.isReferrer})
	}
	return next, true, nil
}
