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
// stands for. One that is there shows that the client may read. What is an error
// of the listing is one here: see [Reader.Judge].
func (r *Registry) StandingOf(ctx context.Context, caller *Caller, tag string) (Standing, error) {
	list, err := r.reader(caller).list(ctx, caller.repository, tag)
	if list.Digest != "" {
		r.permit(caller)
	}
	switch {
	case errors.Is(err, index.ErrNotFound):
		return Standing{}, nil
	case errors.Is(err, index.ErrManifest):
		return Standing{tagMeaning: tagMeaning{kind: index.TagOther, digest: list.Digest}}, nil
	case err != nil:
		return Standing{}, err
	}
	meaning, err := r.judge(ctx, caller, tag, list.Manifest)
	return Standing{meaning, list.Body}, err
}

// judge tells what a manifest means under a referrers tag.
func (r *Registry) judge(ctx context.Context, caller *Caller, tag string, manifest index.Manifest) (tagMeaning, error) {
	key := tagMeaningKey{tagName{caller.repository, tag}, manifest.Digest}
	if known, hit := r.tagMeanings.find(key); hit {
		return known, nil
	}
	reader := r.reader(caller)
	reader.Records = sparing{r.store}
	judged, err := reader.JudgeList(ctx, caller.repository, tag, manifest)
	if err != nil {
		return tagMeaning{}, err
	}
	meaning := meaningOf(judged.TagMeaning, tag)
	// The listing has yet to learn of it.
	r.tagChecks.forget(key.tagName)
	r.tagMeanings.keep(key, meaning)
	return meaning, nil
}

// sparing is an index that only spares questions: where it fails it knows
// nothing, so that an image passes also where the index can't be had. What the
// upstream has had can't mean something else since.
type sparing struct{ Records }

// Get implements [Records].
func (s sparing) Get(ctx context.Context, repository string, manifest digest.Digest) (index.Record, error) {
	record, err := s.Records.Get(ctx, repository, manifest)
	if err != nil && !errors.Is(err, index.ErrNotFound) {
		err = fmt.Errorf("%w: %w", index.ErrNotFound, err)
	}
	return record, err
}
