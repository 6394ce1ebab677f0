package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// attached returns what is attached to some subjects. Of most the index knows all:
// they are read from it at once. Of the others the sources are asked, as for a
// listing. The index is read after it was asked for open intents, so that what was
// acknowledged before is there.
func (l *coverageLook) attached(ctx context.Context, subjects map[digest.Digest]oci.Descriptor) (map[digest.Digest][]coverage.Artifact, error) {
	r, repository := l.registry, l.caller.repository
	open, err := r.store.Open(ctx, repository)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(subjects))
	around := make(map[digest.Digest]index.Around, len(names))
	for step := range slices.Chunk(names, coverageStep) {
		found, err := r.store.Around(ctx, repository, step, coverageReferrers)
		if err != nil {
			return nil, err
		}
		maps.Copy(around, found)
	}
	asked, err := l.ask(ctx, names, around, open)
	if err != nil {
		return nil, err
	}
	attached := make(map[digest.Digest][]coverage.Artifact, len(names))
	var unread []*coverage.Artifact
	for _, name := range names {
		all, listed := asked[name]
		if !listed {
			for _, record := range around[name].Referrers {
				all = append(all, attachedBy(record.Descriptor(), oci.Descriptor{}, record.Seen))
			}
		}
		for i := range all {
			all[i].Subject = subjects[name]
			unread = append(unread, &all[i])
		}
		attached[name] = all
	}
	return attached, l.readPredicates(ctx, unread)
}

// attachedBy describes an artifact that is attached to a subject, and was seen first
// at a time.
func attachedBy(d, subject oci.Descriptor, seen time.Time) coverage.Artifact {
	made := seen
	if created, stated := index.Created(d.Annotations); stated {
		made = created
	}
	by := coverage.BySubject
	if d.Legacy {
		by = coverage.ByTag
	}
	return coverage.Artifact{
		Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations,
		Kind: artifact.KindOf(d), Subject: subject, Made: made, By: by, Tag: d.Tag,
	}
}

// ask lists the referrers of the subjects of which the index may not know all. The
// first is asked for alone, one with referrers where there is one: what is found out
// by it of the registry's own API holds for the repository, and may make the other
// questions needless.
func (l *coverageLook) ask(ctx context.Context, subjects []digest.Digest, around map[digest.Digest]index.Around, open bool) (map[digest.Digest][]coverage.Artifact, error) {
	asked := map[digest.Digest][]coverage.Artifact{}
	unsure := func(subject digest.Digest) bool {
		_, done := asked[subject]
		return !done && (open || around[subject].More || l.mayHaveMore(subject))
	}
	left := slices.DeleteFunc(slices.Clone(subjects), func(subject digest.Digest) bool { return !unsure(subject) })
	if len(left) == 0 {
		return asked, nil
	}
	slices.SortStableFunc(left, func(a, b digest.Digest) int {
		return cmp.Compare(len(around[b].Referrers), len(around[a].Referrers))
	})
	first, err := l.listing(ctx, left[0])
	if err != nil {
		return nil, err
	}
	asked[left[0]] = first
	left = slices.DeleteFunc(left, func(subject digest.Digest) bool { return !unsure(subject) })
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, l.registry.Limits().Concurrency))
	for _, subject := range left {
		group.Go(func() error {
			// The caller is permitted, so that nobody writes to it here.
			all, err := l.listing(ctx, subject)
			mutex.Lock()
			defer mutex.Unlock()
			asked[subject] = all
			return err
		})
	}
	return asked, group.Wait()
}

// mayHaveMore tells whether something that is not in the index may be attached to a
// subject. A referrers tag that the registry doesn't list is not there
// (distribution-spec, "Listing Tags": it lists all), unless the list may lack some.
func (l *coverageLook) mayHaveMore(subject digest.Digest) bool {
	if !l.allTags {
		return true
	}
	r, name := l.registry, tagName{l.caller.repository, oci.ReferrersTag(subject)}
	return l.hasLegacy(subject) || !r.native.quiet(name.repository, subject) ||
		r.options.ReferrersTags && l.standing[name.tag] && !r.tagChecks.recent(name)
}

// hasLegacy tells whether a tag of cosign may stand for the subject.
func (l *coverageLook) hasLegacy(subject digest.Digest) bool {
	return !l.allTags || slices.ContainsFunc(oci.CosignTags(subject), func(tag string) bool { return l.standing[tag] })
}

// listing reads the whole listing of a subject, legacy referrers too where there may
// be some, up to limits.tagEntries.
func (l *coverageLook) listing(ctx context.Context, subject digest.Digest) ([]coverage.Artifact, error) {
	limits := l.registry.Limits()
	query := index.Query{Dated: true, Legacy: l.hasLegacy(subject), MaxBytes: limits.Response}
	var all []coverage.Artifact
	for {
		page, err := l.registry.Listing(ctx, l.caller, subject, query)
		if err != nil {
			return nil, fmt.Errorf("list referrers of %s: %w", subject, err)
		}
		for _, referrer := range page.Referrers {
			var d oci.Descriptor
			if err := json.Unmarshal(referrer.Descriptor, &d); err != nil {
				return nil, fmt.Errorf("%w: descriptor of %s: %w", index.ErrDamaged, referrer.Digest, err)
			}
			all = append(all, attachedBy(d, oci.Descriptor{}, referrer.Created))
		}
		switch {
		case !page.More:
			return all, nil
		case len(all) >= limits.Entries:
			return nil, fmt.Errorf("list referrers of %s: %w: %w", subject, upstream.ErrInvalid, upstream.ErrTooMany)
		}
		query.After = page.Referrers[len(page.Referrers)-1].Cursor()
	}
}

// readPredicates reads what attestations state of which their descriptors don't
// tell, where a requirement is about that: it stands in their layers, which the
// index doesn't keep. What can't be read is an attestation of nothing known.
func (l *coverageLook) readPredicates(ctx context.Context, attached []*coverage.Artifact) error {
	if !slices.ContainsFunc(l.query.Requirements, coverage.Requirement.NeedsPredicates) {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, l.registry.Limits().Concurrency))
	for _, a := range attached {
		if !a.Kind.Has(artifact.KindAttestation) || a.Kind.PredicateType != "" {
			continue
		}
		group.Go(func() error {
			predicates, err := l.predicates(ctx, a.Digest)
			a.Predicates = predicates
			for _, predicate := range predicates {
				a.Kind.Kinds |= artifact.KindOfPredicate(predicate).Kinds
			}
			return err
		})
	}
	return group.Wait()
}

// predicates reads the predicate types in the layers of an attestation, once.
func (l *coverageLook) predicates(ctx context.Context, manifest digest.Digest) ([]string, error) {
	name := l.caller.name(manifest)
	if predicates, known := l.registry.coverage.predicates.GetIfPresent(name); known {
		return predicates, nil
	}
	found, err := l.registry.reader(l.caller).Manifest(ctx, l.caller.repository, manifest.String())
	switch OutcomeOf(err) {
	case OutcomeRead:
	case OutcomeUnknown:
		return nil, fmt.Errorf("read attestation %s: %w", manifest, err)
	default:
		return nil, nil
	}
	var document struct {
		Layers []struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"layers"`
	}
	if err := json.Unmarshal(found.Body, &document); err != nil {
		return nil, nil //nolint:nilerr // It has no layers.
	}
	predicates := []string{}
	for _, layer := range document.Layers {
		stated := cmp.Or(layer.Annotations[artifact.AnnotationInTotoPredicate], layer.Annotations[artifact.AnnotationPredicate])
		if stated = strings.TrimSpace(stated); stated != "" && !slices.Contains(predicates, stated) {
			predicates = append(predicates, stated)
		}
	}
	l.registry.coverage.predicates.Set(name, predicates)
	return predicates, nil
}
