package proxy

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// readPage reads a page of the index with its descriptors as listings show
// them. Where that makes some of them shorter, further ones have room: a client
// that reads one page only has to find the others there.
func (p *Proxy) readPage(ctx context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	page, err := p.store.Referrers(ctx, repository, subject, query)
	if err != nil {
		return page, err
	}
	shortened, err := p.shorten(page.Referrers)
	if !shortened || err != nil {
		return page, err
	}
	for page.More && (query.Limit == 0 || len(page.Referrers) < query.Limit) {
		further := query
		further.After = page.Referrers[len(page.Referrers)-1].Place()
		next, err := p.store.Referrers(ctx, repository, subject, further)
		if err != nil {
			return page, err
		}
		if _, err := p.shorten(next.Referrers); err != nil {
			return page, err
		}
		all := slices.Concat(page.Referrers, next.Referrers)
		fits := query.Fit(all)
		more := next.More || fits < len(all)
		if grown := fits > len(page.Referrers); !grown || fits < len(all) {
			return index.Page{Referrers: all[:fits], More: more}, nil
		}
		page = index.Page{Referrers: all, More: more}
	}
	return page, nil
}

// shorten makes the descriptors those that listings show, and tells whether one
// of them was too long.
func (p *Proxy) shorten(referrers []index.Referrer) (shortened bool, err error) {
	most := int(p.config.Limits.DescriptorSize)
	for i := range referrers {
		if len(referrers[i].Descriptor) <= most {
			continue
		}
		shortened = true
		if referrers[i].Descriptor, err = index.Listed(referrers[i].Descriptor, most); err != nil {
			return true, err
		}
	}
	return shortened, nil
}

// maxArtifactType is the longest artifact type of a referrer: a media type of
// two names (RFC 6838, section 4.2).
const maxArtifactType = 127 + 1 + 127

// checkListable refuses a referrer whose descriptor would be too much for a
// listing, even where that leaves annotations out.
func (p *Proxy) checkListable(manifest index.Manifest) error {
	if manifest.Subject() == "" {
		return nil
	}
	if len(manifest.ArtifactType) > maxArtifactType {
		return oci.BadRequest(oci.CodeManifestInvalid, fmt.Sprintf("the artifact type is longer than %d bytes, which no media type is", maxArtifactType))
	}
	size := 0
	for name, value := range manifest.Annotations {
		size += len(name) + len(value)
	}
	if most := p.config.Limits.ReferrerAnnotations; int64(size) > int64(most) {
		refusal := oci.BadRequest(oci.CodeManifestInvalid,
			fmt.Sprintf("the annotations of a manifest with a subject are more than %s, which listings would have to carry: put it into a blob", most))
		refusal.Limit = "limits.referrerAnnotations"
		return refusal
	}
	return nil
}
