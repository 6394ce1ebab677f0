package registry

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/coverage"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// CoverageQuery says which images are looked at, and for what.
type CoverageQuery struct {
	coverage.Policy
	// Platforms narrow down which images of indexes are looked at, beside what each
	// requirement says; none for all.
	Platforms coverage.Platforms
}

// The bounds of what is read at once of images.
const (
	// coverageStep is how many images are read of the index by one question.
	coverageStep = 256
	// coverageReferrers is how many referrers of an image are read so; one with more
	// has a listing of its own.
	coverageReferrers = 64
)

// Coverage tells how images fare that the tags of a repository name. all are all of
// its tags, as [Registry.Tags] has them: they tell of which images something stands
// under a tag. tags are those that are looked at, with what each names.
//
// Every source that may hold more than the index is asked, as for a listing, but for
// those that are known to have nothing: a referrers tag, or a tag of cosign, that is
// not among all tags, unless further registries may have it, and an API of the registry's own in a repository that lacks
// it. An error of any of them is one of the answer. The caller has to be permitted.
func (r *Registry) Coverage(ctx context.Context, caller *Caller, query CoverageQuery, all []string, tags map[string]digest.Digest) ([]coverage.Image, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	if !caller.Permitted() {
		return nil, errNoGrant
	}
	look := coverageLook{allTags: r.listsAllTags(caller), registry: r, caller: caller, query: query, now: r.now(), tagged: map[digest.Digest][]string{}, standing: map[string]bool{}}
	for _, tag := range all {
		if oci.IsReferrersTag(tag) || oci.IsCosignTag(tag) {
			look.standing[tag] = true
		}
	}
	for tag, manifest := range tags {
		look.tagged[manifest] = append(look.tagged[manifest], tag)
	}
	manifests := make([]digest.Digest, 0, len(look.tagged))
	for manifest, names := range look.tagged {
		slices.Sort(names)
		manifests = append(manifests, manifest)
	}
	slices.Sort(manifests)
	var images []coverage.Image
	for step := range slices.Chunk(manifests, coverageStep) {
		found, err := look.step(ctx, step)
		if err != nil {
			return nil, err
		}
		images = append(images, found...)
	}
	coverage.Sort(images)
	return images, nil
}

// coverageLook is one call of [Registry.Coverage].
type coverageLook struct {
	registry *Registry
	caller   *Caller
	query    CoverageQuery
	now      time.Time
	// tagged are the tags of each manifest.
	tagged map[digest.Digest][]string
	// standing are the tags that may stand for something that is attached.
	standing map[string]bool
	// allTags says that a tag that is not among these does not stand for anything.
	allTags bool
}

// listsAllTags tells whether what the upstream does not list among the tags of the
// caller's repository is not there. It may be elsewhere where further registries are
// asked, or where the caller means another registry than the index is of.
func (r *Registry) listsAllTags(caller *Caller) bool {
	return caller.elsewhere == "" && (r.options.TagsElsewhere == nil || !r.options.TagsElsewhere(caller.repository))
}

// step looks at some manifests that have tags.
func (l *coverageLook) step(ctx context.Context, manifests []digest.Digest) ([]coverage.Image, error) {
	records, err := l.registry.recordsOf(ctx, l.caller, manifests)
	if err != nil {
		return nil, err
	}
	lists, err := l.lists(ctx, records)
	if err != nil {
		return nil, err
	}
	subjects := make(map[digest.Digest]oci.Descriptor, len(manifests))
	for _, record := range records {
		subjects[record.Digest] = record.Descriptor()
		for _, entry := range lists[record.Digest].images {
			subjects[entry.Digest] = entry.Descriptor
		}
	}
	attached, err := l.attached(ctx, subjects)
	if err != nil {
		return nil, err
	}
	made, err := l.made(ctx, records)
	if err != nil {
		return nil, err
	}
	var images []coverage.Image
	for _, manifest := range manifests {
		record, there := records[manifest]
		if !there {
			continue
		}
		found, err := l.judge(ctx, record, lists[manifest], attached)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].Tags = l.tagged[manifest]
			if at, known := made[found[i].Digest]; known && !at.IsZero() {
				found[i].Created = &at
			}
		}
		images = append(images, found...)
	}
	return images, nil
}

// made returns when images were made, as far as it is known without a question of
// the registry.
func (l *coverageLook) made(ctx context.Context, records map[digest.Digest]index.Record) (map[digest.Digest]time.Time, error) {
	made := make(map[digest.Digest]time.Time, len(records))
	var elsewhere []digest.Digest
	for manifest, record := range records {
		if record.MadeElsewhere() {
			elsewhere = append(elsewhere, manifest)
		} else {
			made[manifest] = index.StatedMade(record.Annotations)
		}
	}
	if len(elsewhere) == 0 {
		return made, nil
	}
	noted, err := l.registry.store.Made(ctx, l.caller.repository, elsewhere)
	for manifest, at := range noted {
		made[manifest] = at
	}
	return made, err
}

// judge tells how what a tag names fares: itself, and the images that it lists where
// a requirement is about these. What is no index is an image for itself, whatever
// platforms are wanted: it is not read what it is for.
func (l *coverageLook) judge(ctx context.Context, record index.Record, list listedImages, attached map[digest.Digest][]coverage.Artifact) ([]coverage.Image, error) {
	whole := coverage.Image{Digest: record.Digest, MediaType: record.MediaType, Requirements: []coverage.Outcome{}}
	isIndex := oci.IsIndexType(record.MediaType)
	for _, requirement := range l.query.Requirements {
		if requirement.Platforms().None() || !isIndex {
			outcome, err := l.outcome(ctx, requirement, attached[record.Digest])
			if err != nil {
				return nil, err
			}
			whole.Requirements = append(whole.Requirements, outcome)
		}
	}
	var images []coverage.Image
	if len(whole.Requirements) > 0 {
		images = append(images, whole)
	}
	for _, entry := range list.images {
		image := coverage.Image{Digest: entry.Digest, MediaType: entry.MediaType, Index: record.Digest, Platform: entry.platform}
		of := slices.Concat(attached[entry.Digest], list.statements[entry.Digest], byIndex(attached[record.Digest]))
		for _, requirement := range l.query.Requirements {
			if requirement.Platforms().None() || !l.means(requirement, entry.platform) {
				continue
			}
			outcome, err := l.outcome(ctx, requirement, of)
			if err != nil {
				return nil, err
			}
			image.Requirements = append(image.Requirements, outcome)
		}
		if len(image.Requirements) > 0 {
			images = append(images, image)
		}
	}
	switch {
	case isIndex && list.broken:
		images = append(images, l.unknownImages(record))
	case isIndex:
		images = append(images, l.absent(record.Digest, list)...)
	}
	return images, nil
}

// means tells whether a requirement is about the image of an index for a platform.
func (l *coverageLook) means(requirement coverage.Requirement, platform string) bool {
	return requirement.Platforms().Has(platform) && (l.query.Platforms.None() || l.query.Platforms.Has(platform))
}

// absent returns the platforms that requirements name, and an index has no image for.
func (l *coverageLook) absent(of digest.Digest, list listedImages) []coverage.Image {
	var images []coverage.Image
	for _, requirement := range l.query.Requirements {
		if wanted := requirement.Platforms(); len(list.images) == 0 && !wanted.None() && len(wanted.Names()) == 0 {
			at := slices.IndexFunc(images, func(i coverage.Image) bool { return i.Platform == "" })
			if at < 0 {
				images, at = append(images, coverage.Image{Index: of}), len(images)
			}
			images[at].Requirements = append(images[at].Requirements, coverage.Outcome{
				Requirement: requirement.String(), State: coverage.Missing, Reason: "the index lists no image",
			})
		}
		for _, name := range requirement.Platforms().Names() {
			has := slices.ContainsFunc(list.images, func(entry listedImage) bool { return coverage.IsPlatform(entry.platform, name) })
			if has || !l.query.Platforms.None() && !l.query.Platforms.Has(name) {
				continue
			}
			outcome := coverage.Outcome{Requirement: requirement.String(), State: coverage.Missing, Reason: "the index has no image for " + name}
			at := slices.IndexFunc(images, func(i coverage.Image) bool { return i.Platform == name })
			if at < 0 {
				images, at = append(images, coverage.Image{Index: of, Platform: name}), len(images)
			}
			images[at].Requirements = append(images[at].Requirements, outcome)
		}
	}
	return images
}

// unknownImages stands for the images of an index that can't be read as one.
func (l *coverageLook) unknownImages(record index.Record) coverage.Image {
	image := coverage.Image{Index: record.Digest, Requirements: []coverage.Outcome{}}
	for _, requirement := range l.query.Requirements {
		if !requirement.Platforms().None() {
			image.Requirements = append(image.Requirements, coverage.Outcome{
				Requirement: requirement.String(), State: coverage.Missing, Reason: "the index can't be read, so that its images are not known",
			})
		}
	}
	return image
}

// byIndex returns what is attached to an index as it belongs to the images that this
// lists.
func byIndex(attached []coverage.Artifact) []coverage.Artifact {
	all := slices.Clone(attached)
	for i := range all {
		all[i].By = coverage.ByIndex
	}
	return all
}

// outcome judges by one requirement. Who signed is asked only of what would count.
func (l *coverageLook) outcome(ctx context.Context, requirement coverage.Requirement, attached []coverage.Artifact) (coverage.Outcome, error) {
	if l.query.AsksFor(requirement) {
		verified, err := l.verified(ctx, requirement, attached)
		if err != nil {
			return coverage.Outcome{}, err
		}
		attached = verified
	}
	return l.query.Judge(requirement, attached, l.now), nil
}

// recordsOf is [Registry.Records] for many manifests.
func (r *Registry) recordsOf(ctx context.Context, caller *Caller, manifests []digest.Digest) (map[digest.Digest]index.Record, error) {
	around, err := r.store.Around(ctx, caller.repository, manifests, 1)
	if err != nil {
		return nil, err
	}
	records := make(map[digest.Digest]index.Record, len(manifests))
	var unknown []digest.Digest
	for _, manifest := range manifests {
		if known := around[manifest].Record; known != nil {
			records[manifest] = *known
		} else {
			unknown = append(unknown, manifest)
		}
	}
	if len(unknown) == 0 {
		return records, nil
	}
	read, err := r.Records(ctx, caller, unknown)
	for manifest, record := range read {
		records[manifest] = record
	}
	return records, err
}
