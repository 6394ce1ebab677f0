package registry

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Hiding says which tags are left out of lists.
type Hiding uint8

// What may be left out: nothing, what referrers are kept by, and beside that the
// tags of cosign.
const (
	HideNothing Hiding = iota
	HideReferrers
	HideReferrersAndCosign
)

// Hides tells whether any tags are left out of lists.
func (r *Registry) Hides() bool {
	return r.options.Hide != HideNothing
}

// hiddenByForm tells whether a tag is left out of lists whatever it stands for.
func (r *Registry) hiddenByForm(tag string) bool {
	return r.options.Hide == HideReferrersAndCosign && oci.IsCosignTag(tag)
}

// Shown returns the tags that are not left out of lists. One of the form of a
// referrers tag, a hidden tag or a kept tag is left out only where it is shown to be one, by
// the index or by what the upstream lets the client read. Where that can't be had, there is no answer.
func (r *Registry) Shown(ctx context.Context, caller *Caller, tags []string) ([]string, error) {
	if !r.Hides() {
		return tags, nil
	}
	return r.withoutKept(ctx, caller, tags, r.hiddenByForm)
}

// ImageTags returns the tags that stand for images: not those that are left out of
// lists where that is wanted, and not the tags of cosign, whatever tags.hide says.
// Errors are those of [Registry.Shown].
func (r *Registry) ImageTags(ctx context.Context, caller *Caller, tags []string) ([]string, error) {
	return r.withoutKept(ctx, caller, tags, oci.IsCosignTag)
}

// withoutKept leaves out the tags by which something else than an image is kept, and
// those that are left out by their form.
func (r *Registry) withoutKept(ctx context.Context, caller *Caller, tags []string, byForm func(tag string) bool) ([]string, error) {
	known, err := r.knownReferrers(ctx, caller, tags)
	if err != nil {
		return nil, err
	}
	hidden := make([]bool, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for i, tag := range tags {
		switch {
		case byForm(tag), known[tag]:
			hidden[i] = true
		case oci.IsOwnTag(tag):
			group.Go(func() (err error) {
				hidden[i], err = r.isOwn(ctx, caller, tag)
				return err
			})
		case oci.IsReferrersTag(tag):
			group.Go(func() (err error) {
				hidden[i], err = r.listsReferrers(ctx, caller, tag)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	shown := make([]string, 0, len(tags))
	for i, tag := range tags {
		if !hidden[i] {
			shown = append(shown, tag)
		}
	}
	return shown, nil
}

// listsReferrers tells whether a tag is a referrers tag in deed. What it stands
// for is asked anew after referrers.recheckTag, and judged anew where it is
// another manifest.
func (r *Registry) listsReferrers(ctx context.Context, caller *Caller, tag string) (bool, error) {
	name, now := r.tagKindName(caller, tag), r.now()
	before, known := r.tagKinds.get(name)
	if known && now.Sub(before.asked) < r.options.RecheckTag {
		return before.lists, nil
	}
	if known && before.digest != "" {
		current, err := r.upstream.Resolve(ctx, caller.as, caller.repository, tag)
		switch {
		case errors.Is(err, upstream.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case current == before.digest && (before.lasting || oci.ReferrersTag(current) == tag):
			before.asked = now
			r.tagKinds.set(name, before)
			return before.lists, nil
		}
	}
	judged, err := r.reader(caller).Judge(ctx, caller.repository, tag)
	if err != nil && !errors.Is(err, upstream.ErrInvalid) {
		return false, err
	}
	// What can't be read is not shown to be a list.
	lists := err == nil && judged.Kind == index.TagReferrers
	r.tagKinds.set(name, tagKind{digest: judged.Digest, asked: now, lists: lists, lasting: lists && len(judged.Gone) == 0})
	return lists, nil
}

// tagKinds remembers which tags of the form of a referrers tag are some.
type tagKinds struct {
	cache *otter.Cache[tagName, tagKind]
}

// tagKind is what a tag was found to be.
type tagKind struct {
	digest digest.Digest
	// asked is when the upstream was asked what it stands for.
	asked time.Time
	lists bool
	// lasting says that the same manifest can't be anything else: all that it
	// lists was there.
	lasting bool
}

// tagKindFor is how long it is remembered at least what a manifest is.
const tagKindFor = time.Hour

func newTagKinds(recheck time.Duration, entries int) tagKinds {
	return tagKinds{newCache[tagName, tagKind](max(recheck, tagKindFor), entries)}
}

func (k tagKinds) get(name tagName) (tagKind, bool) {
	return k.cache.GetIfPresent(name)
}

func (k tagKinds) set(name tagName, kind tagKind) {
	k.cache.Set(name, kind)
}

// forget is called when a tag may stand for something else.
func (k tagKinds) forget(repository, tag string) {
	if oci.IsReferrersTag(tag) || oci.IsOwnTag(tag) {
		k.cache.Invalidate(tagName{repository, tag})
	}
}

// Tags returns the tags of the caller's repository that the upstream shows to the
// caller, hidden ones too: see [upstream.Registry.Tags].
func (r *Registry) Tags(ctx context.Context, caller *Caller) iter.Seq2[string, error] {
	return r.upstream.Tags(ctx, caller.as, caller.repository, r.Limits().ListEntries)
}
