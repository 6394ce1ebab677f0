package ui

import (
	"context"
	"errors"
	"strings"

	"github.com/backref/backref/compare"
)

// maxCompared is the largest configuration or document that a comparison on a page
// reads, in bytes. The command line reads more.
const maxCompared = 8 << 20

// diffPage is the difference between two images of a repository.
type diffPage struct {
	Repository string `json:"repository"`
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	// Difference is nil where it is not said between what.
	*compare.Difference
}

// PageTitle implements titled.
func (p *diffPage) PageTitle() string {
	if p.Difference == nil {
		return "Compare images of " + p.Repository
	}
	return p.From + " and " + p.To + " of " + p.Repository
}

// Signed writes how much larger or smaller something is.
func (p *diffPage) Signed(from, to int64) string {
	switch {
	case to > from:
		return "+" + sizeText(to-from)
	case to < from:
		return "−" + sizeText(from-to)
	default:
		return "the same size"
	}
}

// diffPage compares two images by tag or digest.
func (v *visit) diffPage() (any, error) {
	asked := v.request.URL.Query()
	page := &diffPage{Repository: v.name, From: strings.TrimSpace(asked.Get("from")), To: strings.TrimSpace(asked.Get("to"))}
	if page.From == "" || page.To == "" {
		return page, nil
	}
	for name, reference := range map[string]string{"from": page.From, "to": page.To} {
		if !isReference(reference) {
			return nil, invalidError(name + ": need a tag or a digest of this repository")
		}
	}
	ctx := v.request.Context()
	a, err := v.side(ctx, page.From)
	if err != nil {
		return nil, err
	}
	b, err := v.side(ctx, page.To)
	if err != nil {
		return nil, err
	}
	page.Difference, err = compare.Images(ctx, a, b, compare.Options{Platform: strings.TrimSpace(asked.Get("platform")), MaxBlob: maxCompared})
	if errors.Is(err, compare.ErrPlatform) {
		return nil, invalidError("platform: one of the images is not there for it")
	}
	return page, err
}

// side returns one of the images that are compared.
func (v *visit) side(ctx context.Context, reference string) (compare.Side, error) {
	root, err := v.repo.Manifest(ctx, reference)
	return compare.Side{Name: reference, From: v.repo, Root: root}, err
}
