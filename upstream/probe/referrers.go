package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// checkReferrers tells whether the registry has the referrers API: it has it where it
// answers 200 with the media type of an image index and a valid one. What was written
// it has to list, too.
func (p *probe) checkReferrers(ctx context.Context) Finding {
	if p.sample.repository == "" {
		return unknown(p.sample.without())
	}
	var referrer digest.Digest
	if p.scene != nil && p.scene.pushed.done() {
		manifest := p.scene.variant("referrer")
		manifest.Subject = p.scene.descriptor(p.scene.image)
		pushed := p.scene.pushManifest(ctx, digest.FromBytes(manifest.bytes()).String(), manifest, nil)
		if !pushed.done() {
			return pushed.unknown("a referrer can't be written")
		}
		referrer = digest.FromBytes(manifest.bytes())
	}
	subject, there := p.sample.manifest, true
	if subject == "" {
		subject, there = digest.FromString(""), false
	}
	asked := p.ask(ctx, p.sample.repository, question{
		method: http.MethodGet, url: &url.URL{Path: "/v2/" + p.sample.repository + "/referrers/" + subject.String()},
		header: http.Header{"Accept": {oci.MediaTypeImageIndex}},
	})
	return asked.judgeReferrers(there, referrer)
}

// judgeReferrers judges an answer about a subject, which is there or not. referrer is
// one that has to be listed; empty for none.
func (e exchange) judgeReferrers(there bool, referrer digest.Digest) Finding {
	if e.unclear() != "" {
		return e.odd()
	}
	if e.status != http.StatusOK {
		if e.status == http.StatusNotFound && !there && strings.HasSuffix(e.code(), "_UNKNOWN") && e.code() != "METHOD_UNKNOWN" {
			return e.unknown("the registry may answer so for a subject that isn't there: name a repository with a tag by --repository")
		}
		return e.no("")
	}
	mediaType, _, err := mime.ParseMediaType(e.header.Get("Content-Type"))
	if err != nil || mediaType != oci.MediaTypeImageIndex {
		return e.no("not the media type of an image index")
	}
	if !e.whole() {
		return e.odd()
	}
	listed, err := upstream.ParseIndex(e.body, math.MaxInt32)
	switch {
	case errors.Is(err, upstream.ErrInvalid):
		return e.no("no image index")
	case err != nil:
		return e.unknown(reasonOf(err))
	case referrer != "" && !slices.ContainsFunc(listed, func(d oci.Descriptor) bool { return d.Digest == referrer }):
		return e.no("what was just pushed is not listed")
	default:
		return e.yes(fmt.Sprintf("an image index of %d", len(listed)))
	}
}
