package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// tagMeaning is what a manifest means under a referrers tag.
type tagMeaning struct {
	kind    index.TagKind
	digest  digest.Digest
	subject digest.Digest
	// lists says that there is a referrer with that tag among its entries.
	lists bool
	// open says that nothing that it lists is there to say what it is.
	open bool
}

// other tells whether the manifest is shown to be no list of referrers.
func (m tagMeaning) other() bool { return m.kind == index.TagOther && !m.open }

func meaningOf(judged index.TagMeaning, tag string) tagMeaning {
	list := judged.List
	couldList := list.MediaType == oci.MediaTypeImageIndex && list.Subject() == "" && oci.ReferrersTag(list.Digest) != tag
	return tagMeaning{
		kind: judged.Kind, digest: judged.Digest, subject: judged.Subject, lists: len(judged.Referrers) > 0,
		open: judged.Kind == index.TagOther && couldList && len(judged.Gone) == len(list.Edges),
	}
}

// tagMeanings remembers what manifests mean under referrers tags: it follows
// from their bytes, and from those of what they list.
type tagMeanings struct {
	cache *otter.Cache[tagMeaningKey, tagMeaning]
}

type tagMeaningKey struct {
	tagName
	digest digest.Digest
}

func newTagMeanings(recheck time.Duration, entries int) *tagMeanings {
	if recheck <= 0 {
		return &tagMeanings{}
	}
	return &tagMeanings{cache: newCache[tagMeaningKey, tagMeaning](recheck, entries)}
}

func (m *tagMeanings) find(key tagMeaningKey) (tagMeaning, bool) {
	if m.cache == nil {
		return tagMeaning{}, false
	}
	return m.cache.GetIfPresent(key)
}

// keep keeps a meaning, unless it is open: what has gone may come back.
func (m *tagMeanings) keep(key tagMeaningKey, meaning tagMeaning) {
	if m.cache != nil && !meaning.open {
		m.cache.Set(key, meaning)
	}
}

// ShowsListing tells whether a tag is one under which the referrers of a subject
// are kept, by its form, and referrers tags are read.
func (r *Registry) ShowsListing(tag string) bool {
	return tag != "" && r.options.ReferrersTags && oci.IsReferrersTag(tag)
}

// Standing is what a referrers tag stands for upstream.
type Standing struct {
	tagMeaning
	// body is that of the manifest, empty where it can't be read as one.
	body []byte
}

// Other tells whether the tag is shown to stand for no list of referrers.
func (s Standing) Other() bool { return s.other() }

// StandingOf asks the upstream, as the caller, for what a tag of that form
// stands for. One that is there shows that the client may read.
func (r *Registry) StandingOf(ctx context.Context, caller *Caller, tag string) (Standing, error) {
	other := Standing{tagMeaning: tagMeaning{kind: index.TagOther}}
	fetched, err := r.upstream.Manifest(ctx, caller.as, caller.repository, tag, r.limits.Size)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return Standing{}, nil
	case errors.Is(err, upstream.ErrInvalid):
		return other, nil
	case err != nil:
		return Standing{}, err
	}
	r.permit(caller)
	other.digest = fetched.Digest
	manifest, err := r.limits.Manifest.ParseServed(fetched.MediaType, fetched.Digest.Algorithm(), fetched.Body)
	if err != nil {
		return other, nil //nolint:nilerr // It passes as it came.
	}
	meaning, err := r.judge(ctx, caller, tag, manifest)
	return Standing{meaning, fetched.Body}, err
}

// judge tells what a manifest means under a referrers tag.
func (r *Registry) judge(ctx context.Context, caller *Caller, tag string, manifest index.Manifest) (tagMeaning, error) {
	key := tagMeaningKey{tagName{caller.repository, tag}, manifest.Digest}
	if known, hit := r.tagMeanings.find(key); hit {
		return known, nil
	}
	judged, err := index.JudgeTag(ctx, tag, func(ctx context.Context, reference string) (index.Manifest, error) {
		if reference == tag {
			return manifest, nil
		}
		return r.readEntry(ctx, caller, digest.Digest(reference))
	}, r.limits.Concurrency)
	if err != nil {
		return tagMeaning{}, err
	}
	meaning := meaningOf(judged, tag)
	// The listing has yet to learn of it.
	r.tagChecks.forget(key.tagName)
	r.tagMeanings.keep(key, meaning)
	return meaning, nil
}

// readEntry reads a manifest that a tag lists, from the index where that has
// it: what the upstream has had can't mean something else since.
func (r *Registry) readEntry(ctx context.Context, caller *Caller, entry digest.Digest) (index.Manifest, error) {
	if record, err := r.store.Get(ctx, caller.repository, entry); err == nil {
		return record.Manifest, nil
	}
	fetched, err := r.upstream.Manifest(ctx, caller.as, caller.repository, entry.String(), r.limits.Size)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return index.Manifest{}, fmt.Errorf("%w: %w", index.ErrNotFound, err)
	case errors.Is(err, upstream.ErrInvalid):
		return index.Manifest{}, fmt.Errorf("%w: %w", index.ErrManifest, err)
	case err != nil:
		return index.Manifest{}, err
	}
	manifest, err := r.limits.Manifest.ParseServed(fetched.MediaType, entry.Algorithm(), fetched.Body)
	if err != nil {
		return manifest, fmt.Errorf("%w: %w", index.ErrManifest, err)
	}
	return manifest, nil
}
