package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// AdoptRequest says of what the legacy referrers are adopted.
type AdoptRequest struct {
	Repository *client.Repository
	// Reference is the tag or digest of what they are about. Where it is empty all
	// of the repository are adopted, as far as its list of tags shows them.
	Reference string
	// Images says that those of the images which an index lists are adopted too.
	Images bool
	// DryRun has nothing written.
	DryRun bool
}

// The outcomes of an adoption, beside [Present].
const (
	// Adopted is a referrer that was written.
	Adopted Outcome = "adopted"
	// Due is one that would be, but for a dry run.
	Due Outcome = "due"
	// Orphan is a legacy referrer of a manifest that the registry has not.
	Orphan Outcome = "orphan"
)

// Adoption is what became of a legacy referrer.
type Adoption struct {
	Outcome Outcome       `json:"outcome"`
	Subject digest.Digest `json:"subject"`
	// Tag and Legacy are the tag and the manifest that cosign keeps.
	Tag    string        `json:"tag"`
	Legacy digest.Digest `json:"legacy,omitempty"`
	// Digest is that of the referrer; empty for an orphan.
	Digest       digest.Digest `json:"digest,omitempty"`
	ArtifactType string        `json:"artifactType,omitempty"`
}

// Adopt writes a referrer for each legacy one: with the same content, which is
// there already, and the subject that it is about. It is pushed by its digest, and
// made known by the referrers API or else under the referrers tag, as by a copy.
// The tags of cosign stay. What was adopted before is found again by its digest.
//
// A legacy referrer may have legacy ones itself, as a signed SBOM has: these are
// adopted too, with it as their subject.
func Adopt(ctx context.Context, request AdoptRequest) ([]Adoption, error) {
	a := &adopter{request: request, seen: map[digest.Digest]bool{}, known: map[digest.Digest]map[digest.Digest]bool{}}
	subjects, err := a.subjects(ctx)
	if err != nil {
		return nil, err
	}
	for len(subjects) > 0 {
		subject := subjects[0]
		subjects = subjects[1:]
		if a.seen[subject.Digest] {
			continue
		}
		a.seen[subject.Digest] = true
		below, err := a.look(ctx, subject)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, below...)
	}
	if request.DryRun || len(a.fresh) == 0 {
		return a.found, nil
	}
	return a.found, a.write(ctx)
}

// adopter is an adoption under way.
type adopter struct {
	request AdoptRequest
	seen    map[digest.Digest]bool
	// known are the referrers that the registry lists, by their subject.
	known map[digest.Digest]map[digest.Digest]bool
	found []Adoption
	// fresh are the referrers to be written.
	fresh []client.Manifest
}

// subjects returns the manifests that the request names.
func (a *adopter) subjects(ctx context.Context) ([]client.Manifest, error) {
	if a.request.Reference != "" {
		m, err := a.request.Repository.Manifest(ctx, a.request.Reference)
		return []client.Manifest{m}, err
	}
	tags, err := a.request.Repository.TagNames(ctx)
	if err != nil {
		return nil, err
	}
	tagged := map[digest.Digest][]string{}
	for _, tag := range tags {
		if subject, _ := oci.CosignTagOf(tag); subject != "" {
			tagged[subject] = append(tagged[subject], tag)
		}
	}
	var subjects []client.Manifest
	for _, subject := range slices.Sorted(maps.Keys(tagged)) {
		m, err := a.request.Repository.Manifest(ctx, subject.String())
		switch {
		case errors.Is(err, client.ErrNotFound):
			for _, tag := range tagged[subject] {
				a.found = append(a.found, Adoption{Outcome: Orphan, Subject: subject, Tag: tag})
			}
		case err != nil:
			return nil, err
		default:
			subjects = append(subjects, m)
		}
	}
	return subjects, nil
}

// look finds the legacy referrers of a subject, and returns the manifests that are
// to be looked at with it.
func (a *adopter) look(ctx context.Context, subject client.Manifest) ([]client.Manifest, error) {
	found, err := a.request.Repository.Legacy(ctx, subject.Digest)
	if err != nil {
		return nil, err
	}
	var below []client.Manifest
	for _, legacy := range found {
		below = append(below, legacy.Manifest)
		if err := a.adopt(ctx, legacy, subject); err != nil {
			return nil, err
		}
	}
	if !a.request.Images {
		return below, nil
	}
	contents, err := subject.Contents()
	if err != nil {
		return nil, err
	}
	for _, child := range contents.Children() {
		m, is, err := a.request.Repository.Entry(ctx, child)
		switch {
		case errors.Is(err, client.ErrNotFound):
			// An index may list more than the registry has.
		case err != nil:
			return nil, err
		case is:
			below = append(below, m)
		}
	}
	return below, nil
}

// adopt notes what becomes of a legacy referrer.
func (a *adopter) adopt(ctx context.Context, legacy client.Legacy, subject client.Manifest) error {
	m, err := adopted(legacy, subject)
	if err != nil {
		return err
	}
	known, asked := a.known[subject.Digest]
	if !asked {
		listed, err := a.request.Repository.AllReferrers(ctx, subject.Digest)
		if err != nil {
			return err
		}
		known = map[digest.Digest]bool{}
		for _, d := range listed {
			known[d.Digest] = true
		}
		a.known[subject.Digest] = known
	}
	outcome := Present
	if !known[m.Digest] {
		a.fresh = append(a.fresh, m)
		if outcome = Adopted; a.request.DryRun {
			outcome = Due
		}
	}
	a.found = append(a.found, Adoption{
		Outcome: outcome, Subject: subject.Digest, Tag: legacy.Listed.Tag, Legacy: legacy.Digest, Digest: m.Digest, ArtifactType: m.ArtifactType,
	})
	return nil
}

// write pushes the referrers, and makes them known.
func (a *adopter) write(ctx context.Context) error {
	referrers := map[digest.Digest][]client.Manifest{}
	for _, m := range a.fresh {
		referrers[m.Subject()] = append(referrers[m.Subject()], m)
	}
	target := newRegistryTarget(a.request.Repository, newPool(DefaultConcurrency))
	done := finished{referrers: referrers, event: func(Event) {}}
	if _, err := target.Prepare(ctx, slices.Collect(maps.Keys(referrers)), done.known()); err != nil {
		return err
	}
	for _, m := range a.fresh {
		if err := target.PutManifest(ctx, m, ""); err != nil {
			return fmt.Errorf("adopt for %s: %w", m.Subject(), err)
		}
	}
	return target.Finish(ctx, done)
}
