package ui

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// The bounds of what is shown of the referrers of what a manifest belongs with. All
// else has links.
const (
	// referrersAround is how many of each are shown, of shownAround manifests at most.
	referrersAround = 5
	shownAround     = 8
	// parentsLooked is how many manifests that name an image are looked through for
	// indexes. Referrers name it too, and there may be any number of them.
	parentsLooked = 100
)

// around returns the beginnings of the referrers of what a manifest belongs with: of an
// index the images, of an image the indexes that list it, of which one may be known;
// and how many of these are left out, as far as that is known.
func (v *visit) around(ctx context.Context, m client.Manifest, contents client.Contents, known digest.Digest) (lists []*referrerList, more int) {
	switch {
	case m.IsIndex():
		lists, more = imagesOf(contents)
	case m.Subject() == "":
		lists, more = v.indexesOf(ctx, m.Digest, known)
	}
	newest := index.Query{Legacy: true, Order: index.Order{By: index.SortCreated, Descending: true}}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, list := range lists {
		group.Go(func() error {
			items, next, err := v.items(ctx, list.Subject, newest, client.Window{Limit: referrersAround})
			if err != nil {
				list.Trouble = failureOf(err).Message
				return nil
			}
			list.fill(items)
			list.More = next != ""
			return nil
		})
	}
	_ = group.Wait()
	return lists, more
}

// imagesOf returns the images that an index lists, without what attests them.
func imagesOf(contents client.Contents) (lists []*referrerList, more int) {
	for _, child := range contents.Children() {
		name := client.PlatformName(child.Platform)
		switch {
		case strings.HasPrefix(name, unknownPlatform):
		case len(lists) == shownAround:
			more++
		default:
			lists = append(lists, &referrerList{Subject: child.Digest, About: strings.TrimSpace("image " + name)})
		}
	}
	return lists, more
}

// indexesOf returns the indexes that list an image.
func (v *visit) indexesOf(ctx context.Context, image, known digest.Digest) (lists []*referrerList, more int) {
	var found []digest.Digest
	if known != "" {
		found = append(found, known)
	}
	parents, next, err := v.repo.ParentWindow(ctx, image, client.Window{Limit: parentsLooked})
	if err == nil && next != "" {
		more = 1
	}
	for _, parent := range parents {
		if parent.Kind == index.EdgeManifest.String() && !slices.Contains(found, parent.Descriptor.Digest) {
			found = append(found, parent.Descriptor.Digest)
		}
	}
	if len(found) > shownAround {
		found, more = found[:shownAround], more+len(found)-shownAround
	}
	for _, d := range found {
		lists = append(lists, &referrerList{Subject: d, About: "index that lists it"})
	}
	return lists, more
}
