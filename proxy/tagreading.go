package proxy

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// showManifest answers GET and HEAD of a manifest (end-3): a referrers tag by
// the listing, what was served so by its digest, and all else by the upstream.
func (p *Proxy) showManifest(w http.ResponseWriter, r *http.Request, target path) error {
	if p.showsListing(target) {
		return p.showReferrersTag(w, r, target)
	}
	return p.pull(w, r, target)
}

func (p *Proxy) pull(w http.ResponseWriter, r *http.Request, target path) error {
	if r.Method == http.MethodHead {
		return p.headManifest(w, r, target)
	}
	return p.getManifest(w, r, target)
}

// showReferrersTag answers who reads the referrers tag, for lack of the API or
// because of any error of it, by the listing itself: also where the tag is not
// there, or was written when there were fewer referrers. A tag that is something
// else passes as it came, but for those who would delete it.
func (p *Proxy) showReferrersTag(w http.ResponseWriter, r *http.Request, target path) error {
	client := p.readerOf(r, target)
	found, err := p.standingOf(r.Context(), client, target.tag)
	if err != nil {
		return err
	}
	if found.other() && !seeksReferrers(r) {
		return p.pull(w, r, target)
	}
	shown, err := p.listingUnder(r.Context(), client, target.tag, found)
	switch {
	case err != nil:
		return err
	case shown.body != nil:
		p.keepServed(r, target, shown)
		shown.write(w, r)
		return nil
	case found.other():
		return oci.NotFound(oci.CodeManifestUnknown, "there are no referrers, and what the tag stands for is no list of them: pull it by its digest", nil)
	default:
		return p.pull(w, r, target)
	}
}

// seeksReferrers tells whether a request is of a client that takes whatever it
// finds under the tag for a list of referrers. Those of the oras-go library
// (oras, notation, ratify) also delete it, be it an image, once they have
// written a list of their own; containerd takes an image for an empty list. By
// their Accept header they are told from the others, which name no artifact
// manifest, or also the manifests of Docker's first schema (regclient): a set
// of types that is another one by a single type is of somebody else.
//
// Nobody looks for referrers with HEAD.
func seeksReferrers(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	accepted := acceptedTypes(r.Header["Accept"])
	for _, types := range [][]string{
		{
			oci.MediaTypeDockerList, oci.MediaTypeDockerImage, // oras-go, all versions of 2
			"application/vnd.oci.artifact.manifest.v1+json", oci.MediaTypeImageIndex, oci.MediaTypeImageManifest,
		},
		{"*/*", oci.MediaTypeImageIndex}, // containerd 2
	} {
		if slices.Equal(accepted, slices.Sorted(slices.Values(types))) {
			return true
		}
	}
	return false
}

// acceptedTypes returns the media types of an Accept header, sorted.
func acceptedTypes(lines []string) []string {
	var types []string
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if mediaType, _, err := mime.ParseMediaType(item); err == nil {
			types = append(types, mediaType)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// shownListing is a listing as it is served under a referrers tag. One without
// a body is nothing to be shown: what the upstream says is right.
type shownListing struct {
	body   []byte
	digest digest.Digest
}

// listingUnder returns the whole listing of the subject of a tag. It is empty
// where there are no referrers, none that the client may see, or where the tag
// itself says the same.
func (p *Proxy) listingUnder(ctx context.Context, client *reader, tag string, found standing) (shownListing, error) {
	subject, err := p.subjectUnder(ctx, client.repository, tag, found)
	if err != nil {
		return shownListing{}, err
	}
	if err := p.enter(ctx, client, subject); err != nil {
		return shownListing{}, err
	}
	most := int(p.config.Limits.ManifestSize)
	listing, err := p.listing(ctx, client, subject, index.Query{Order: p.order, MaxBytes: most})
	if err != nil || len(listing.Referrers) == 0 {
		return shownListing{}, err
	}
	if found.kind == index.TagReferrers && p.saysTheSame(found.body, listing.Referrers) {
		return shownListing{}, nil
	}
	body := encodePage(listing.Page)
	if listing.More || len(body) > most {
		return shownListing{}, &oci.Error{
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported, Limit: "limits.manifestSize",
			Message: "the list of referrers is larger than a manifest may be: ask the referrers API, which has pages, or have the operator of this proxy raise limits.manifestSize",
		}
	}
	return shownListing{body, digest.FromBytes(body)}, nil
}

// subjectUnder returns the subject of a referrers tag. Where the digest is cut,
// the index may know the rest. Otherwise it has no referrer of it, and what is
// made up is as good as any for the questions to be the same.
func (p *Proxy) subjectUnder(ctx context.Context, repository, tag string, found standing) (digest.Digest, error) {
	subject := found.subject
	if subject == "" {
		subject = oci.SubjectOf(tag)
	}
	if subject != "" {
		return subject, nil
	}
	algorithm, encoded, _ := strings.Cut(tag, "-")
	madeUp := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded+strings.Repeat("0", 2*digest.Algorithm(algorithm).Size()-len(encoded)))
	if p.subjects == nil {
		return madeUp, nil
	}
	known, err := p.subjects.TagSubject(ctx, repository, tag)
	if errors.Is(err, index.ErrNotFound) {
		return madeUp, nil
	}
	return known, err
}

// saysTheSame tells whether a referrers tag has the entries of the listing, and
// no others, in whatever order.
func (p *Proxy) saysTheSame(body []byte, listing []index.Referrer) bool {
	entries, err := upstream.ParseIndex(body, p.config.Limits.TagEntries)
	if err != nil || len(entries) != len(listing) {
		return false
	}
	listed := make(map[string]bool, len(listing))
	for _, referrer := range listing {
		listed[string(referrer.Descriptor)] = true
	}
	for _, entry := range entries {
		encoded, err := oci.Descriptor(entry).Encode()
		if err != nil || !listed[string(encoded)] {
			return false
		}
		delete(listed, string(encoded))
	}
	return true
}

// write sends the listing as the manifest that it is.
func (s shownListing) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	etag := strconv.Quote(s.digest.String())
	header.Set("Content-Type", oci.MediaTypeImageIndex)
	header.Set("Docker-Content-Digest", s.digest.String())
	header.Set("Etag", etag)
	// Who may see it is decided anew each time.
	header.Set("Cache-Control", "private, no-cache")
	if conditions := r.Header["If-None-Match"]; len(conditions) > 0 && etagMatches(conditions, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(s.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		writeWhole(w, r, s.body)
	}
}
