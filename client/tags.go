package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// AllTagNames returns the tags of the repository as the registry lists them.
func (r *Repository) AllTagNames(ctx context.Context) ([]string, error) {
	tags, err := r.tagNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tags of %s: %w", r.Reference, err)
	}
	return tags, nil
}

func (r *Repository) tagNames(ctx context.Context) ([]string, error) {
	return listNames(ctx, r, "/v2/"+r.Reference.Repository+"/tags/list", func(page struct{ Tags []string }) []string { return page.Tags })
}

// TagNames returns the tags of the repository, without referrers tags, in the
// registry's order.
func (r *Repository) TagNames(ctx context.Context) ([]string, error) {
	tags, err := r.tagNames(ctx)
	if err == nil {
		tags, err = r.withoutReferrersTags(ctx, tags)
	}
	if err != nil {
		return nil, fmt.Errorf("list tags of %s: %w", r.Reference, err)
	}
	return tags, nil
}

// withoutReferrersTags leaves out the tags that are referrers tags in deed.
func (r *Repository) withoutReferrersTags(ctx context.Context, names []string) ([]string, error) {
	lists := make([]bool, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, name := range names {
		if !oci.IsReferrersTag(name) {
			continue
		}
		group.Go(func() error {
			meaning, _, err := r.judgeTag(ctx, name, nil)
			lists[i] = meaning.Kind == index.TagReferrers
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var kept []string
	for i, name := range names {
		if !lists[i] {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// Tag is a tag and what it names, as the extension shows it.
type Tag struct {
	Tag string `json:"tag"`
	oci.Descriptor
	// Created is when what the tag names was made, as far as that is known.
	Created *time.Time `json:"created,omitempty"`
	// Version is that of the annotation where it is a semantic version, else
	// the tag where that is one.
	Version string `json:"version,omitempty"`
}

// Tags returns the tags in an order. Without the extension each is read by
// itself, which needs nothing but the distribution specification.
func (r *Repository) Tags(ctx context.Context, order index.Order) ([]Tag, error) {
	found, err := r.HasExtension(ctx)
	if err != nil {
		return nil, err
	}
	if found {
		return r.tagsByExtension(ctx, order)
	}
	names, err := r.TagNames(ctx)
	if err != nil {
		return nil, err
	}
	tags := make([]Tag, len(names))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, name := range names {
		group.Go(func() (err error) {
			tags[i], err = r.tag(groupCtx, name)
			if errors.Is(err, ErrNotFound) {
				return nil // deleted meanwhile
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	tags = slices.DeleteFunc(tags, func(t Tag) bool { return t.Digest == "" })
	sortTags(tags, order)
	return tags, nil
}

func (r *Repository) tagsByExtension(ctx context.Context, order index.Order) ([]Tag, error) {
	var tags []Tag
	path := r.extensionPath("catalog/tags") + "?" + (url.Values{index.ParamSort: {order.String()}}).Encode()
	err := eachPage(ctx, r, path, func(page struct{ Tags []Tag }) bool {
		tags = append(tags, page.Tags...)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list tags of %s: %w", r.Reference, err)
	}
	return tags, nil
}

func (r *Repository) tag(ctx context.Context, name string) (Tag, error) {
	m, err := r.Manifest(ctx, name)
	if err != nil {
		return Tag{}, err
	}
	tag := Tag{Tag: name, Descriptor: m.Descriptor(), Version: index.TagVersion(name, m.Annotations)}
	created, err := made(ctx, r, m)
	if err != nil {
		return Tag{}, err
	}
	if !created.IsZero() {
		tag.Created = &created
	}
	return tag, nil
}

// key returns what an order goes by; empty where the tag has none of it.
func (t Tag) key(by index.SortKey) string {
	switch {
	case by == index.SortVersion:
		return index.VersionKey(t.Version)
	case t.Created == nil:
		return ""
	default:
		return index.Order{By: index.SortCreated}.Key(oci.Descriptor{}, *t.Created)
	}
}

// sortTags orders tags as the extension does: those without what the order goes
// by last, equal ones by name.
func sortTags(tags []Tag, order index.Order) {
	slices.SortFunc(tags, func(a, b Tag) int {
		keyA, keyB := a.key(order.By), b.key(order.By)
		if (keyA == "") != (keyB == "") {
			return strings.Compare(keyB, keyA)
		}
		compared := cmp.Or(strings.Compare(keyA, keyB), strings.Compare(a.Tag, b.Tag))
		if order.Descending {
			return -compared
		}
		return compared
	})
}

// Between returns the tags from one to another, both included, in the order
// that they are in. Both need what that goes by.
func Between(tags []Tag, from, to string, by index.SortKey) ([]Tag, error) {
	first := slices.IndexFunc(tags, func(t Tag) bool { return t.Tag == from })
	last := slices.IndexFunc(tags, func(t Tag) bool { return t.Tag == to })
	switch {
	case first >= 0 && tags[first].key(by) == "":
		return nil, lacks(from, by)
	case last >= 0 && tags[last].key(by) == "":
		return nil, lacks(to, by)
	case first < 0:
		return nil, fmt.Errorf("there is no tag %s", from)
	case last < 0:
		return nil, fmt.Errorf("there is no tag %s", to)
	case first > last:
		return nil, fmt.Errorf("%s comes behind %s in this order; turn them round, or give another by --sort", from, to)
	default:
		return tags[first : last+1], nil
	}
}

// lacks says that a tag can be no end, as the extension does.
func lacks(tag string, by index.SortKey) error {
	return fmt.Errorf("the tag %s has no %s to go by", tag, by)
}
