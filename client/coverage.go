package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/backref/backref/coverage"
)

// CoverageQuery says which images are looked at, and for what. The zero value asks
// for what a backref asks for where nothing is said.
type CoverageQuery struct {
	// Requirements are what images have to have, as [coverage.Parse] reads them.
	Requirements []string
	// MaxAge is how old that may be, such as 720h; empty for any age.
	MaxAge string
	// ExpiryAnnotations are the annotations that say when it expires.
	ExpiryAnnotations []string
	// SignedBy are the names of signers, as the operator calls them.
	SignedBy []string
	// Tags are patterns, of which one has to match.
	Tags []string
	// Platforms narrow down which images of indexes are looked at.
	Platforms []string
	// Page is how many tags one answer looks at, at most; 0 leaves it to the server.
	Page int
}

func (q CoverageQuery) values() url.Values {
	values := url.Values{
		"require": q.Requirements, "expiryAnnotation": q.ExpiryAnnotations, "signedBy": q.SignedBy, "tag": q.Tags, "platform": q.Platforms,
	}
	if q.MaxAge != "" {
		values.Set("maxAge", q.MaxAge)
	}
	if q.Page > 0 {
		values.Set("n", strconv.Itoa(q.Page))
	}
	return values
}

// CoveragePage is how the images of a page fare.
type CoveragePage struct {
	Images  []coverage.Image `json:"images"`
	Summary coverage.Summary `json:"summary"`
}

// Coverage returns how the images fare that the tags of the repository name. It needs
// a backref: elsewhere the error is [ErrNoExtension].
func (r *Repository) Coverage(ctx context.Context, query CoverageQuery) ([]coverage.Image, error) {
	var pages [][]coverage.Image
	err := r.EachCoverage(ctx, query, func(images []coverage.Image) error {
		pages = append(pages, images)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return coverage.Merge(pages...), nil
}

// EachCoverage is [Repository.Coverage] page by page, until each returns an error. An
// image whose tags are on several pages is on each of them.
func (r *Repository) EachCoverage(ctx context.Context, query CoverageQuery, each func(images []coverage.Image) error) error {
	found, err := r.HasExtension(ctx)
	if err == nil && !found {
		err = fmt.Errorf("%w: which images of %s lack what is told by a backref alone", ErrNoExtension, r.Reference)
	}
	if err != nil {
		return err
	}
	path := r.extensionPath("coverage/images")
	if encoded := query.values().Encode(); encoded != "" {
		path += "?" + encoded
	}
	var stopped error
	err = eachPage(ctx, r, path, func(page struct{ Images []coverage.Image }) bool {
		stopped = each(page.Images)
		return stopped == nil
	})
	if err != nil {
		return fmt.Errorf("ask which images of %s lack what: %w", r.Reference, err)
	}
	return stopped
}
