package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// legacyTags remembers what the tags of cosign were found to stand for, not long
// ago: the entry of a legacy referrer, or one without a digest for none.
type legacyTags struct {
	cache *otter.Cache[tagName, oci.Descriptor]
	// forgotten counts how often each name was.
	forgotten *index.Versions
}

func newLegacyTags(recheck time.Duration, entries int) legacyTags {
	if recheck <= 0 {
		return legacyTags{}
	}
	return legacyTags{newCache[tagName, oci.Descriptor](recheck, entries), index.NewVersions()}
}

func (l legacyTags) get(name tagName) (oci.Descriptor, bool) {
	if l.cache == nil {
		return oci.Descriptor{}, false
	}
	return l.cache.GetIfPresent(name)
}

// version is to be taken before a tag is asked for, and given to set.
func (l legacyTags) version(name tagName) uint64 {
	if l.cache == nil {
		return 0
	}
	return l.forgotten.Of(name.repository, name.tag)
}

// set remembers what was found under a tag, unless it was forgotten since.
func (l legacyTags) set(name tagName, entry oci.Descriptor, version uint64) {
	if l.cache == nil {
		return
	}
	l.cache.Set(name, entry)
	if l.version(name) != version {
		l.cache.Invalidate(name)
	}
}

func (l legacyTags) forget(repository, tag string) {
	if l.cache != nil && oci.IsCosignTag(tag) {
		l.forgotten.Changed(repository, tag)
		l.cache.Invalidate(tagName{repository, tag})
	}
}

// forgetTag is called when a tag may stand for something else.
func (r *Registry) forgetTag(repository, tag string) {
	r.tagKinds.forget(repository, tag)
	r.legacyTags.forget(repository, tag)
}

// legacyRead is what was found under the tags of cosign of one subject.
type legacyRead struct {
	mark index.Mark
	tags []legacyTag
}

// legacyTag is what was found under one tag.
type legacyTag struct {
	name tagName
	// version is that of the name before it was asked for.
	version uint64
	// entry has no digest where there is no legacy referrer.
	entry oci.Descriptor
	// manifest is that of the entry where the upstream was asked just now.
	manifest index.Manifest
	// known says that the upstream was not asked, and there that it let the caller
	// read what the tag stands for.
	known, there bool
}

// legacyReferrers reads the tags of cosign for a subject, as the caller, where
// that is wanted: one question for each, but for what a permitted caller may be
// told from memory. What is there shows that the caller may read. The result is to
// be kept only if the caller turns out to be permitted.
func (r *Registry) legacyReferrers(ctx context.Context, caller *Caller, subject digest.Digest, wanted bool) (read legacyRead, err error) {
	if !wanted {
		return read, nil
	}
	open := false
	for _, tag := range oci.CosignTags(subject) {
		found := legacyTag{name: tagName{caller.repository, tag}}
		found.version = r.legacyTags.version(found.name)
		if found.entry, found.known, err = r.recallLegacy(ctx, caller, found.name); err != nil {
			return read, err
		}
		open = open || !found.known
		read.tags = append(read.tags, found)
	}
	if !open {
		return read, nil
	}
	if read.mark, err = r.store.Mark(ctx); err != nil {
		return read, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(r.Limits().Concurrency)
	for i := range read.tags {
		if !read.tags[i].known {
			group.Go(func() error { return r.askLegacy(groupCtx, caller, &read.tags[i]) })
		}
	}
	if err := group.Wait(); err != nil {
		return read, fmt.Errorf("read what cosign keeps under tags of %s: %w", subject, err)
	}
	for _, found := range read.tags {
		if found.there {
			r.permit(caller)
		}
	}
	return read, nil
}

// recallLegacy returns what is remembered of a tag, for a caller who is permitted.
// What was deleted by digest since the index has no more.
func (r *Registry) recallLegacy(ctx context.Context, caller *Caller, name tagName) (oci.Descriptor, bool, error) {
	if !caller.Permitted() || caller.elsewhere != "" {
		return oci.Descriptor{}, false, nil
	}
	entry, hit := r.legacyTags.get(name)
	if !hit || entry.Digest == "" {
		return entry, hit, nil
	}
	known, err := r.recorded(ctx, caller.repository, entry.Digest)
	return entry, known, err
}

// askLegacy reads a tag. What can't be read as a manifest is nothing that cosign
// keeps.
func (r *Registry) askLegacy(ctx context.Context, caller *Caller, found *legacyTag) error {
	found.entry = oci.Descriptor{}
	manifest, err := r.reader(caller).Manifest(ctx, caller.repository, found.name.tag)
	switch OutcomeOf(err) {
	case OutcomeRead:
		found.there = true
		if entry, is := index.LegacyReferrer(found.name.tag, manifest.Manifest, manifest.Body); is {
			found.entry, found.manifest = entry, manifest.Manifest
		}
		return nil
	case OutcomeGone, OutcomeUnreadable, OutcomeExcessive, OutcomeUntyped:
		return nil
	default:
		return err
	}
}

// withLegacy adds the legacy referrers that were read for a caller, who is
// permitted, to a page, in the order and within the bounds of its query: the index
// has none of them as a referrer. What was read is remembered.
func (r *Registry) withLegacy(ctx context.Context, caller *Caller, page index.Page, read legacyRead, query index.Query) (index.Page, error) {
	entries, err := r.keepLegacy(ctx, caller, read)
	if err != nil || len(entries) == 0 {
		return page, err
	}
	selected, err := selectReferrers(entries, query)
	if err != nil {
		return page, err
	}
	if _, err := r.shorten(selected); err != nil {
		return page, err
	}
	return merge(page, selected, query), nil
}

// keepLegacy remembers what was read, and returns the entries. The manifests are
// recorded, so that the index hears when they are deleted. Nothing is kept of what
// is read by the name of another registry.
func (r *Registry) keepLegacy(ctx context.Context, caller *Caller, read legacyRead) ([]oci.Descriptor, error) {
	var entries []oci.Descriptor
	var fresh []index.Manifest
	for _, found := range read.tags {
		if found.entry.Digest != "" {
			entries = append(entries, found.entry)
		}
		if found.manifest.Digest != "" {
			fresh = append(fresh, found.manifest)
		}
	}
	if caller.elsewhere != "" {
		return entries, nil
	}
	if err := r.observe(ctx, read.mark, caller.repository, fresh...); err != nil {
		return nil, err
	}
	for _, found := range read.tags {
		if !found.known {
			r.legacyTags.set(found.name, found.entry, found.version)
		}
	}
	return entries, nil
}
