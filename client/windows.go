package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Window is a part of a list, for who shows one page of it and no more: Limit entries
// at most (0 for as many as are given at once), behind the place After, which is what
// came as next with the part before it; empty for the start.
//
// What reads by a window sends one request. Lists that are not the specification's
// are a backref's alone: elsewhere the error matches [ErrNotFound], or [StatusOf]
// tells what was answered.
type Window struct {
	Limit int
	After string
}

// values adds the window to the parameters of a list.
func (w Window) values(of url.Values) url.Values {
	if w.Limit > 0 {
		of.Set(index.ParamLimit, strconv.Itoa(w.Limit))
	}
	if w.After != "" {
		of.Set(index.ParamLast, w.After)
	}
	return of
}

// window reads one page of a list, and returns the place where the next one begins;
// empty at the end.
func (r *Repository) window(ctx context.Context, path string, values url.Values, w Window, into any) (next string, err error) {
	if query := w.values(values).Encode(); query != "" {
		path += "?" + query
	}
	following, _, err := r.getJSON(ctx, path, into)
	if err != nil || following == "" {
		return "", err
	}
	parsed, err := url.ParseRequestURI(following)
	if err != nil {
		return "", fmt.Errorf("link to the next page: %w", err)
	}
	return parsed.Query().Get(index.ParamLast), nil
}

// TagWindow returns a part of the tags in an order: name, version or created, with a -
// before it for descending.
func (r *Repository) TagWindow(ctx context.Context, order string, w Window) (tags []Tag, next string, err error) {
	var page struct{ Tags []Tag }
	next, err = r.window(ctx, r.extensionPath("catalog/tags"), url.Values{index.ParamSort: {order}}, w, &page)
	if err != nil {
		return nil, "", fmt.Errorf("list tags of %s: %w", r.Reference, err)
	}
	return page.Tags, next, nil
}

// TagNameWindow returns a part of the tags' names in the registry's own order, as any
// registry gives it (distribution-spec, "Listing Tags").
func (r *Repository) TagNameWindow(ctx context.Context, w Window) (names []string, next string, err error) {
	var page struct{ Tags []string }
	next, err = r.window(ctx, "/v2/"+r.Reference.Repository+"/tags/list", url.Values{}, w, &page)
	if err != nil {
		return nil, "", fmt.Errorf("list tags of %s: %w", r.Reference, err)
	}
	return page.Tags, next, nil
}

// ReferrerWindow returns a part of the referrers of a subject that a query lets
// through, in its order. The query's own limit and place don't count.
func (r *Repository) ReferrerWindow(ctx context.Context, subject digest.Digest, query index.Query, w Window) (referrers []Referrer, next string, err error) {
	query.Limit, query.After = 0, index.Cursor{}
	values := query.Values()
	values.Set("subject", subject.String())
	values.Set(index.ParamLegacy, legacyText(query))
	var page struct{ Manifests []Referrer }
	next, err = r.window(ctx, r.extensionPath("graph/referrers"), values, w, &page)
	if err == nil {
		err = checkLegacy(subject, page.Manifests)
	}
	if err != nil {
		return nil, "", fmt.Errorf("list referrers of %s: %w", r.Reference.At(subject), err)
	}
	return page.Manifests, next, nil
}

// Artifact is a manifest of a repository, with or without a tag.
type Artifact struct {
	oci.Descriptor
	// Subject is what it refers to; empty for nothing.
	Subject digest.Digest `json:"subject,omitempty"`
}

// ArtifactWindow returns a part of the manifests of the repository that backref knows
// and a query lets through, in its order. The query's own limit and place don't count.
func (r *Repository) ArtifactWindow(ctx context.Context, query index.Query, w Window) (artifacts []Artifact, next string, err error) {
	query.Limit, query.After = 0, index.Cursor{}
	var page struct{ Manifests []Artifact }
	next, err = r.window(ctx, r.extensionPath("catalog/artifacts"), query.Values(), w, &page)
	if err != nil {
		return nil, "", fmt.Errorf("list artifacts of %s: %w", r.Reference, err)
	}
	return page.Manifests, next, nil
}

// ParentWindow returns a part of the manifests of the repository that name a digest.
func (r *Repository) ParentWindow(ctx context.Context, child digest.Digest, w Window) (parents []Parent, next string, err error) {
	var page struct{ Parents []Parent }
	next, err = r.window(ctx, r.extensionPath("graph/parents"), url.Values{"digest": {child.String()}}, w, &page)
	if err != nil {
		return nil, "", fmt.Errorf("list parents of %s: %w", r.Reference.At(child), err)
	}
	return page.Parents, next, nil
}
