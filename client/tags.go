package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// TagNames returns the tags of the repository, without referrers tags, in the
// registry's order.
func (r *Repository) TagNames(ctx context.Context) ([]string, error) {
	var names []string
	for path := "/v2/" + r.Reference.Repository + "/tags/list"; path != ""; {
		var page struct{ Tags []string }
		next, _, err := r.getJSON(ctx, path, &page)
		if err != nil {
			return nil, fmt.Errorf("list tags of %s: %w", r.Reference, err)
		}
		for _, tag := range page.Tags {
			if !index.IsReferrersTag(tag) {
				names = append(names, tag)
			}
		}
		path = next
	}
	return names, nil
}

// Tag is a tag and what it names.
type Tag struct {
	Tag          string        `json:"tag"`
	Digest       digest.Digest `json:"digest"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Size         int64         `json:"size"`
	// Created is when what the tag names was made, as far as it says so.
	Created *time.Time `json:"created,omitempty"`
	// Version is that of the annotation, else the tag.
	Version string `json:"version"`
}

// maxConfig bounds the config of an image that is read for its date.
const maxConfig = 4 << 20

// Tags returns the tags in an order, read tag by tag, so that it needs nothing
// but the distribution specification.
func (r *Repository) Tags(ctx context.Context, order index.Order) ([]Tag, error) {
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

func (r *Repository) tag(ctx context.Context, name string) (Tag, error) {
	m, err := r.Manifest(ctx, name)
	if err != nil {
		return Tag{}, err
	}
	tag := Tag{Tag: name, Digest: m.Digest, MediaType: m.MediaType, ArtifactType: m.ArtifactType, Size: m.Size, Version: name}
	if version := m.Annotations[index.AnnotationVersion]; version != "" {
		tag.Version = version
	}
	created, found := index.Created(m.Annotations)
	if !found {
		if created, found, err = r.configCreated(ctx, m); err != nil {
			return Tag{}, err
		}
	}
	if found {
		tag.Created = &created
	}
	return tag, nil
}

// configCreated returns the time in the config of an image, or of the first
// image of an index.
func (r *Repository) configCreated(ctx context.Context, m Manifest) (time.Time, bool, error) {
	contents, err := m.Contents()
	if err != nil {
		return time.Time{}, false, err
	}
	if len(contents.Manifests) > 0 {
		first, err := r.Manifest(ctx, contents.Manifests[0].Digest.String())
		if errors.Is(err, ErrNotFound) || err == nil && first.IsIndex() {
			return time.Time{}, false, nil
		}
		if err != nil {
			return time.Time{}, false, err
		}
		return r.configCreated(ctx, first)
	}
	if contents.Config == nil || contents.Config.Size > maxConfig || !strings.Contains(contents.Config.MediaType, "image") {
		return time.Time{}, false, nil
	}
	blob, err := r.Blob(ctx, *contents.Config)
	if err != nil {
		return time.Time{}, false, err
	}
	defer func() { _ = blob.Close() }()
	var config struct {
		Created time.Time `json:"created"`
	}
	if err := json.NewDecoder(io.LimitReader(blob, maxConfig)).Decode(&config); err != nil {
		return time.Time{}, false, nil //nolint:nilerr // A config that is none says nothing.
	}
	return config.Created, !config.Created.IsZero(), nil
}

// sortTags orders tags as the extension does: by the order's key, those without
// one last, equal ones by name.
func sortTags(tags []Tag, order index.Order) {
	key := func(t Tag) string {
		d := index.Descriptor{Digest: t.Digest, ArtifactType: t.ArtifactType, Annotations: map[string]string{index.AnnotationVersion: t.Version}}
		if order.By != index.SortCreated {
			return order.Key(d, time.Time{})
		}
		if t.Created == nil {
			return ""
		}
		return order.Key(d, *t.Created)
	}
	slices.SortFunc(tags, func(a, b Tag) int {
		keyA, keyB := key(a), key(b)
		if (keyA == "") != (keyB == "") {
			return strings.Compare(keyB, keyA)
		}
		compared := strings.Compare(keyA, keyB)
		if compared == 0 {
			compared = strings.Compare(a.Tag, b.Tag)
		}
		if order.Descending {
			return -compared
		}
		return compared
	})
}

// Between returns the tags from one to another, both included, in the order
// that they are in.
func Between(tags []Tag, from, to string) ([]Tag, error) {
	first := slices.IndexFunc(tags, func(t Tag) bool { return t.Tag == from })
	last := slices.IndexFunc(tags, func(t Tag) bool { return t.Tag == to })
	switch {
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
