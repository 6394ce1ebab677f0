package registry

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// images is the [Writer] by which a list of referrers takes no image's tag away:
// mirroring tools tag images in the form of a referrers tag. Where the tag stands
// for an image, or anything else that is no list of referrers, it stays there: it
// may be all that the image is held by. The list goes upstream by its digest
// then. That is decided just before the push, by who owns the tag.
//
// What is pushed is such a list where one of its entries has a subject with that
// tag, or where nothing that it lists is there to say otherwise. All else is
// the client's own affair, and so is what can't be found out.
type images struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w images) Push(ctx context.Context, push *Push) (*http.Response, error) {
	referrersTag := push.Known && push.Caller.elsewhere == "" && push.Manifest.Subject() == "" && w.registry.ShowsListing(push.Tag)
	if referrersTag && w.stays(ctx, push) {
		spared := *push
		spared.Reference = Reference{Digest: push.Manifest.Digest}
		spared.Header = push.Header.Clone()
		spared.Header.Del("If-Match")
		spared.Header.Del("If-None-Match")
		spared.turn.instead = nil
		push = &spared
	}
	return w.next.Push(ctx, push)
}

// stays tells whether what the tag of a push stands for is to stay there.
func (w images) stays(ctx context.Context, push *Push) bool {
	tag, manifest := push.Tag, push.Manifest
	if manifest.MediaType != oci.MediaTypeImageIndex || oci.ReferrersTag(manifest.Digest) == tag {
		return false
	}
	found, err := w.registry.StandingOf(ctx, push.Caller, tag)
	if errors.Is(err, upstream.ErrInvalid) {
		// What is there can't be told, so that it may be an image; no list is lost
		// that goes up by its digest.
		Note(ctx, zap.NamedError("tag", err))
		found, err = Standing{tagMeaning: tagMeaning{kind: index.TagOther}}, nil
	}
	stays := err == nil && found.other() && found.digest != manifest.Digest
	if stays {
		var pushed tagMeaning
		pushed, err = w.registry.judge(ctx, push.Caller, tag, manifest)
		stays = err == nil && (pushed.lists || pushed.open)
	}
	if err != nil {
		Note(ctx, zap.NamedError("tag", err))
	}
	if stays {
		Note(ctx, zap.Stringer("tagStays", found.digest))
	}
	return stays
}

// Delete implements [Writer].
func (w images) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	return w.next.Delete(ctx, deletion)
}
