package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// What tags.hide may be.
const (
	hideNone            = "none"
	hideReferrers       = "referrers"
	hideReferrersCosign = "referrers+cosign"
)

// hides tells whether any tags are left out of lists.
func (p *Proxy) hides() bool {
	return p.config.Tags.Hide == hideReferrers || p.config.Tags.Hide == hideReferrersCosign
}

// hiddenByForm tells whether a tag is left out of lists whatever it stands for.
func (p *Proxy) hiddenByForm(tag string) bool {
	return p.config.Tags.Hide == hideReferrersCosign && oci.IsCosignTag(tag)
}

// shown returns the tags that are not left out of lists. One of the form of a
// referrers tag or a hidden tag is left out only where it is shown to be one, by
// the index or by what the upstream lets the client read. Where that can't be had, there is no answer.
func (p *Proxy) shown(ctx context.Context, client *reader, tags []string) ([]string, error) {
	if !p.hides() {
		return tags, nil
	}
	known, err := p.knownReferrers(ctx, client, tags)
	if err != nil {
		return nil, err
	}
	hidden := make([]bool, len(tags))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.config.Limits.UpstreamQueries)
	for i, tag := range tags {
		switch {
		case p.hiddenByForm(tag), known[tag]:
			hidden[i] = true
		case oci.IsHiddenTag(tag):
			group.Go(func() (err error) {
				hidden[i], err = p.holdsReferrer(ctx, client, tag)
				return err
			})
		case oci.IsReferrersTag(tag):
			group.Go(func() (err error) {
				hidden[i], err = p.listsReferrers(ctx, client, tag)
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
func (p *Proxy) listsReferrers(ctx context.Context, client *reader, tag string) (bool, error) {
	name, now := p.tagKindName(client, tag), p.now()
	before, known := p.tagKinds.get(name)
	if known && now.Sub(before.asked) < p.config.Referrers.RecheckTag {
		return before.lists, nil
	}
	if known && before.digest != "" {
		current, err := p.upstream.Resolve(ctx, client.as, client.repository, tag)
		switch {
		case errors.Is(err, upstream.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case current == before.digest && (before.lasting || oci.ReferrersTag(current) == tag):
			before.asked = now
			p.tagKinds.set(name, before)
			return before.lists, nil
		}
	}
	judged, err := p.judgeOf(client).Judge(ctx, client.repository, tag)
	if err != nil && !errors.Is(err, upstream.ErrInvalid) {
		return false, err
	}
	// What can't be read is not shown to be a list.
	lists := err == nil && judged.Kind == index.TagReferrers
	p.tagKinds.set(name, tagKind{digest: judged.Digest, asked: now, lists: lists, lasting: lists && len(judged.Gone) == 0})
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
	if oci.IsReferrersTag(tag) || oci.IsHiddenTag(tag) {
		k.cache.Invalidate(tagName{repository, tag})
	}
}
