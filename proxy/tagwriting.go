package proxy

import (
	"net/http"
	"net/url"
	"strconv"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
)

// holdListing finds out whether a condition that the upstream's tag doesn't meet
// is met by what was served in its place: the listing as it is now. It returns
// the request whose condition the upstream is to be asked for then, else nil.
func (p *Proxy) holdListing(r *http.Request, target path, conditions conditions) (*http.Request, error) {
	if !p.showsListing(target) || conditions.match == nil || conditions.match.any {
		return nil, nil
	}
	client := p.readerOf(r, target)
	found, err := p.standingOf(r.Context(), client, target.tag)
	if err != nil || found.other() {
		return nil, err
	}
	shown, err := p.listingUnder(r.Context(), client, target.tag, found)
	if err != nil || shown.body == nil || !conditions.hold(shown.digest) {
		return nil, err
	}
	held := r.Clone(r.Context())
	held.Header.Del("If-Match")
	held.Header.Del("If-None-Match")
	if found.digest == "" {
		held.Header.Set("If-None-Match", "*")
	} else {
		held.Header.Set("If-Match", strconv.Quote(found.digest.String()))
	}
	return held, nil
}

// sparing returns the push of a referrers tag, and the request for it, as they
// are sent upstream. Where the tag stands for an image, or anything else that is
// no list of referrers, it stays there: it may be all that the image is held by.
// The list goes upstream by its digest then. That is decided just before the
// push, by who owns the tag.
//
// What is pushed is such a list where one of its entries has a subject with that
// tag, or where nothing that it lists is there to say otherwise. All else is
// the client's own affair, and so is what can't be found out.
func (p *Proxy) sparing(r *http.Request, push push) (*http.Request, push) {
	tag, manifest := push.target.tag, push.record.Manifest
	if manifest.MediaType != oci.MediaTypeImageIndex || oci.ReferrersTag(manifest.Digest) == tag {
		return r, push
	}
	client := p.readerOf(r, push.target)
	found, err := p.standingOf(r.Context(), client, tag)
	stays := err == nil && found.other() && found.digest != manifest.Digest
	if stays {
		var pushed tagMeaning
		pushed, err = p.judge(r.Context(), client, tag, manifest)
		stays = err == nil && (pushed.lists || pushed.open)
	}
	if err != nil {
		note(r, zap.NamedError("tag", err))
	}
	if !stays {
		return r, push
	}
	note(r, zap.Stringer("tagStays", found.digest))
	spared := r.Clone(r.Context())
	spared.URL = &url.URL{Path: "/v2/" + push.target.repository + "/manifests/" + manifest.Digest.String(), RawQuery: r.URL.RawQuery}
	spared.Header.Del("If-Match")
	spared.Header.Del("If-None-Match")
	push.target.tag, push.target.digest, push.hold.instead = "", manifest.Digest, nil
	return spared, push
}
