package transfer

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// openTagsTarget opens the target of a copy of tags.
func openTagsTarget(ctx context.Context, request TagsRequest, s *shared) (target, error) {
	switch {
	case !request.DryRun:
		return openTarget(ctx, request.Request, s.pool)
	case request.Target.Kind != Registry:
		return openLayoutView(ctx, request.Target, s.tally)
	}
	opened, err := openTarget(ctx, request.Request, s.pool)
	if err != nil {
		return nil, err
	}
	return registryView{opened.(*registryTarget), nothingWritten{s.tally}}, nil
}

// nothingWritten is the half of a target that writes: it counts what would come.
type nothingWritten struct {
	tally *tally
}

func (w nothingWritten) PutBlob(_ context.Context, blob ocispec.Descriptor, _ func() (io.ReadCloser, error)) (Outcome, error) {
	w.tally.moved(blob.Size)
	return Copied, nil
}

func (nothingWritten) PutManifest(context.Context, client.Manifest, string) error { return nil }
func (nothingWritten) PutTag(context.Context, client.Manifest, string) error      { return nil }
func (nothingWritten) Finish(context.Context, finished) error                     { return nil }
func (nothingWritten) Complete(context.Context) error                             { return nil }
func (nothingWritten) Close() error                                               { return nil }

// registryView is a repository that is asked what it lacks.
type registryView struct {
	registry *registryTarget
	nothingWritten
}

func (v registryView) Prepare(ctx context.Context, subjects []digest.Digest, known knownSubject) (listings, error) {
	return v.registry.Prepare(ctx, subjects, known)
}

// PutBlob says that the registry would take the blob from its sibling.
func (v registryView) PutBlob(ctx context.Context, blob ocispec.Descriptor, open func() (io.ReadCloser, error)) (Outcome, error) {
	if v.registry.sibling != "" {
		return Mounted, nil
	}
	return v.nothingWritten.PutBlob(ctx, blob, open)
}

func (v registryView) HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error) {
	return v.registry.HasBlob(ctx, blob)
}

func (v registryView) HasManifest(ctx context.Context, m client.Manifest, tag string) (bool, error) {
	return v.registry.HasManifest(ctx, m, tag)
}

func (v registryView) Tagged(ctx context.Context, tag string) (digest.Digest, error) {
	return v.registry.Tagged(ctx, tag)
}

// Standing implements [target].
func (v registryView) Standing(ctx context.Context, tag string, sum digest.Digest) (client.Manifest, error) {
	return v.registry.Standing(ctx, tag, sum)
}

func (v registryView) Lists(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error) {
	return v.registry.Lists(ctx, subject)
}

// layoutView is a layout or archive that is asked what it lacks, or none yet.
type layoutView struct {
	layout *layoutSource
	nothingWritten
}

func openLayoutView(ctx context.Context, location Location, counted *tally) (target, error) {
	layout, err := openLayoutSource(ctx, location)
	if missing(err) {
		err = nil
	}
	return layoutView{layout, nothingWritten{counted}}, err
}

// Prepare finds nothing to do: names in index.json are not exclusive.
func (layoutView) Prepare(context.Context, []digest.Digest, knownSubject) (listings, error) {
	return nil, nil
}

func (v layoutView) HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error) {
	if v.layout == nil {
		return false, nil
	}
	return v.layout.store.Exists(ctx, blob)
}

func (v layoutView) HasManifest(ctx context.Context, m client.Manifest, _ string) (bool, error) {
	return v.HasBlob(ctx, m.Entry())
}

func (v layoutView) Tagged(_ context.Context, tag string) (digest.Digest, error) {
	if v.layout != nil {
		for _, entry := range v.layout.entries {
			if refName(entry) == tag {
				return entry.Digest, nil
			}
		}
	}
	return "", nil
}

// Standing implements [target].
func (v layoutView) Standing(ctx context.Context, _ string, sum digest.Digest) (client.Manifest, error) {
	return v.layout.byDigest(ctx, sum)
}
