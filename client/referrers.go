package client

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// errUnsupported says that a registry has no referrers API.
var errUnsupported = errors.New("the registry has no referrers API")

// parallel is how many manifests of one list are fetched at once.
const parallel = 8

// indexDocument is an image index, as far as a list of referrers needs it.
type indexDocument struct {
	Manifests []oci.Descriptor `json:"manifests"`
}

// Referrer is a referrer with the time that it is ordered by.
type Referrer struct {
	oci.Descriptor
	// Created is what its annotation says, else when a backref first saw it; nil
	// where none of them is known.
	Created *time.Time `json:"created,omitempty"`
}

// Referrers returns the referrers of a subject that match a query, in its
// order, whatever the registry can do; legacy ones too where the query says so.
func (r *Repository) Referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	dated, err := r.DatedReferrers(ctx, subject, query)
	var found []oci.Descriptor
	for _, referrer := range dated {
		found = append(found, referrer.Descriptor)
	}
	return found, err
}

// DatedReferrers is [Repository.Referrers] with the times that they are ordered
// by.
func (r *Repository) DatedReferrers(ctx context.Context, subject digest.Digest, query index.Query) ([]Referrer, error) {
	found, err := r.HasExtension(ctx)
	if err != nil {
		return nil, err
	}
	if found {
		return r.referrersByExtension(ctx, subject, query)
	}
	all, err := r.AllReferrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	if all, err = r.filled(ctx, all); err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", r.Reference.At(subject), err)
	}
	if query.Legacy {
		if all, err = r.withLegacy(ctx, subject, all); err != nil {
			return nil, err
		}
	}
	var dated []Referrer
	for _, d := range Select(all, query) {
		referrer := Referrer{Descriptor: d}
		if created, stated := index.Created(d.Annotations); stated {
			referrer.Created = &created
		}
		dated = append(dated, referrer)
	}
	return dated, nil
}

// AllReferrers returns every referrer of a subject by plain specification: from
// the referrers API, else from the referrers tag.
func (r *Repository) AllReferrers(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error) {
	all, err := r.referrersByAPI(ctx, subject)
	if errors.Is(err, errUnsupported) {
		all, err = r.referrersByTag(ctx, subject)
		if len(all) > 0 {
			// With the API the registry would list them itself.
			r.api.CompareAndSwap(unknown, absent)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", r.Reference.At(subject), err)
	}
	return unmarked(all), nil
}

// Select applies a query to descriptors as backref does, but that only an
// annotation tells when something was made.
func Select(all []oci.Descriptor, query index.Query) []oci.Descriptor {
	var selected []oci.Descriptor
	for _, d := range all {
		if query.Matches(d) {
			selected = append(selected, d)
		}
	}
	query.Sort(selected)
	if query.Limit > 0 && len(selected) > query.Limit {
		selected = selected[:query.Limit]
	}
	return selected
}

func (r *Repository) referrersByExtension(ctx context.Context, subject digest.Digest, query index.Query) ([]Referrer, error) {
	values := query.Values()
	values.Set("subject", subject.String())
	values.Set(index.ParamLegacy, legacyText(query))
	all, err := listEntries[Referrer](ctx, r, r.extensionPath("graph/referrers")+"?"+values.Encode(), query.Limit)
	if err == nil {
		err = checkLegacy(subject, all)
	}
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", r.Reference.At(subject), err)
	}
	return all, nil
}

// listEntries reads the entries of image indexes to the last page, or until there
// are n.
func listEntries[E any](ctx context.Context, r *Repository, path string, n int) ([]E, error) {
	var all []E
	err := eachPage(ctx, r, path, func(page struct{ Manifests []E }) bool {
		all = append(all, page.Manifests...)
		return n == 0 || len(all) < n
	})
	if err != nil {
		return nil, err
	}
	if n > 0 && len(all) > n {
		all = all[:n]
	}
	return all, nil
}

// referrersByAPI asks the referrers API of the specification. Registries
// answer anything to a path that they don't know, so what says that there is
// an API is an index alone. An answer that did not come whole says nothing.
func (r *Repository) referrersByAPI(ctx context.Context, subject digest.Digest) ([]oci.Descriptor, error) {
	if r.api.Load() == absent {
		return nil, errUnsupported
	}
	path := "/v2/" + r.Reference.Repository + "/referrers/" + subject.String()
	var page indexDocument
	next, header, err := r.getJSON(ctx, path, &page)
	got, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	other := got != oci.MediaTypeImageIndex || errors.Is(err, errOtherAnswer)
	switch {
	case header == nil:
		return nil, r.withoutAPI(err)
	case other && r.api.Load() != present:
		r.api.CompareAndSwap(unknown, absent)
		return nil, errUnsupported
	case err != nil:
		return nil, err
	case other:
		return nil, fmt.Errorf("read the answer of %s to %s: it is %q and no image index", r.Reference.Host, path, got)
	}
	r.api.Store(present)
	more, err := listEntries[oci.Descriptor](ctx, r, next, 0)
	if err != nil {
		return nil, err
	}
	return append(page.Manifests, more...), nil
}

// withoutAPI decides whether an error of the referrers API means that there is
// none. Once it has answered there is one. A registry may answer 404 for a
// subject without referrers, or for a missing repository, so that this says
// nothing about others.
func (r *Repository) withoutAPI(err error) error {
	var answer *statusError
	if !errors.As(err, &answer) || answer.passing() {
		return err
	}
	unsupported := strings.Contains(answer.text, "METHOD_UNKNOWN") || strings.Contains(answer.text, "UNSUPPORTED")
	switch {
	case answer.status == http.StatusNotFound && !unsupported:
	case r.api.Load() == present:
		return err
	default:
		r.api.CompareAndSwap(unknown, absent)
	}
	return errUnsupported
}

// HasReferrersAPI reports whether the registry answers referrers queries
// itself. The repository should exist: some say nothing about others.
func (r *Repository) HasReferrersAPI(ctx context.Context, subject digest.Digest) (bool, error) {
	_, supported, err := r.ReferrersByAPI(ctx, subject)
	return supported, err
}

// ReferrersByAPI returns what a registry that answers referrers queries itself
// lists, and whether it is one: see [Repository.HasReferrersAPI].
func (r *Repository) ReferrersByAPI(ctx context.Context, subject digest.Digest) (all []oci.Descriptor, supported bool, err error) {
	all, err = r.referrersByAPI(ctx, subject)
	if errors.Is(err, errUnsupported) {
		return nil, r.KnownReferrersAPI(), nil
	}
	return all, err == nil, err
}

// KnownReferrersAPI reports whether the registry was found to answer referrers
// queries itself. It asks nobody.
func (r *Repository) KnownReferrersAPI() bool {
	return r.api.Load() == present
}
