package proxy

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
)

// showManifest answers GET and HEAD of a manifest (end-3): a referrers tag by
// the listing, what was served so by its digest, and all else by the upstream.
func (p *Proxy) showManifest(w http.ResponseWriter, r *http.Request, target path) error {
	if p.registry.ShowsListing(target.tag) {
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
	caller := p.callerOf(r, target)
	found, err := p.registry.StandingOf(r.Context(), caller, target.tag)
	if err != nil {
		return err
	}
	if found.Other() && !seeksReferrers(r) {
		return p.pull(w, r, target)
	}
	if err := p.mayList(r, p.pullRules(r, target), ofAll); err != nil {
		return err
	}
	shown, err := p.registry.ListingUnder(r.Context(), caller, target.tag, found)
	switch {
	case err != nil:
		return err
	case shown.Body != nil:
		p.registry.SaveServed(r.Context(), caller, target.tag, shown)
		writeListing(w, r, shown)
		return nil
	case found.Other():
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

// writeListing sends a listing as the manifest that it is.
func writeListing(w http.ResponseWriter, r *http.Request, s registry.TagListing) {
	header := w.Header()
	etag := strconv.Quote(s.Digest.String())
	header.Set("Content-Type", oci.MediaTypeImageIndex)
	header.Set("Docker-Content-Digest", s.Digest.String())
	header.Set("Etag", etag)
	// Who may see it is decided anew each time.
	header.Set("Cache-Control", "private, no-cache")
	if conditions := r.Header["If-None-Match"]; len(conditions) > 0 && etagMatches(conditions, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(s.Body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		wrap.WriteWhole(w, r, s.Body)
	}
}
