package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// tagged is a tag of a source, as the list of its tags has it.
type tagged struct {
	name string
	// doubtful says that the tag may be there for the referrers' sake: it is no
	// content then, but leads to some.
	doubtful bool
	// entry is that of a layout's index.json.
	entry ocispec.Descriptor
}

// Choice says which tags of a repository to copy.
type Choice struct {
	// Tags and Exclude are patterns as [oci.MatchGlob] reads them. Without Tags
	// all are chosen; Exclude goes before.
	Tags, Exclude []string
}

// includes reports whether a tag is chosen.
func (c Choice) includes(tag string) bool {
	matches := func(pattern string) bool { return oci.MatchGlob(pattern, tag) }
	return !slices.ContainsFunc(c.Exclude, matches) && (len(c.Tags) == 0 || slices.ContainsFunc(c.Tags, matches))
}

// listTags returns the chosen tags of a source, by name, those that are doubtful
// last: what they lead to has mostly come along by then.
func listTags(ctx context.Context, src source, choice Choice) ([]tagged, error) {
	all, err := src.Tags(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t tagged) bool { return !choice.includes(t.name) })
	slices.SortStableFunc(all, func(a, b tagged) int {
		if a.doubtful != b.doubtful {
			if a.doubtful {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.name, b.name)
	})
	return all, nil
}

// Tags returns the tags as the registry lists them.
func (s registrySource) Tags(ctx context.Context) ([]tagged, error) {
	names, err := s.repository.AllTagNames(ctx)
	if err != nil {
		return nil, err
	}
	tags := make([]tagged, len(names))
	for i, name := range names {
		tags[i] = tagged{name: name, doubtful: oci.IsReferrersTag(name) || oci.IsOwnTag(name)}
	}
	return tags, nil
}

// Named reads the manifest that a tag names.
func (s registrySource) Named(ctx context.Context, t tagged) (client.Manifest, error) {
	return s.repository.Manifest(ctx, t.name)
}

// Listed reads what a hidden tag, a kept tag or a referrers tag stands for.
func (s registrySource) Listed(ctx context.Context, t tagged, known func(digest.Digest) (digest.Digest, bool)) ([]ocispec.Descriptor, bool, error) {
	if oci.IsOwnTag(t.name) {
		return s.own(ctx, t.name, known)
	}
	meaning, err := s.repository.TagMeaning(ctx, t.name, known)
	if err != nil || meaning.Kind == index.TagAbsent {
		return nil, false, err
	}
	if meaning.Kind != index.TagReferrers && !listsNothing(meaning.List, meaning.Gone) {
		return nil, true, nil
	}
	referrers := make([]ocispec.Descriptor, len(meaning.Referrers))
	for i, m := range meaning.Referrers {
		referrers[i] = ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}
	}
	return referrers, false, nil
}

// own reads a hidden tag or a kept tag. One that names another manifest than it says,
// and a hidden tag of no referrer, is just a tag: so is a kept tag to who sees the
// envelope, and not what is in it.
func (s registrySource) own(ctx context.Context, name string, known func(digest.Digest) (digest.Digest, bool)) ([]ocispec.Descriptor, bool, error) {
	sum, found, err := s.repository.Resolve(ctx, name)
	if err != nil || !found {
		return nil, false, err
	}
	kept := oci.KeptTag(sum) == name
	if !kept && oci.HiddenTag(sum) != name {
		return nil, true, nil
	}
	if subject, found := known(sum); found && subject != "" {
		return []ocispec.Descriptor{{Digest: sum}}, false, nil
	}
	m, err := s.repository.Manifest(ctx, sum.String())
	if err != nil {
		return nil, false, err
	}
	return []ocispec.Descriptor{m.Entry()}, !kept && m.Subject() == "", nil
}

// listsNothing reports whether a manifest is an index of which nothing is there:
// nothing is lost with its tag.
func listsNothing(list index.Manifest, gone []digest.Digest) bool {
	return list.MediaType == oci.MediaTypeImageIndex && list.Subject() == "" && len(gone) == len(list.Edges)
}

// Tags returns the names in index.json, and as doubtful the entries that are
// there for referrers.
func (s *layoutSource) Tags(ctx context.Context) ([]tagged, error) {
	own, err := newOwnNames(ctx, s.store, s.entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.location.Path, err)
	}
	var tags []tagged
	seen := map[ownName]bool{}
	for _, entry := range s.entries {
		key := ownName{entry.Digest, refName(entry)}
		if !seen[key] {
			seen[key] = true
			tags = append(tags, tagged{name: key.name, doubtful: own.of(entry) == "" && !oci.IsCosignTag(key.name), entry: entry})
		}
	}
	return tags, nil
}

// Named reads the manifest of an entry.
func (s *layoutSource) Named(ctx context.Context, t tagged) (client.Manifest, error) {
	return s.Manifest(ctx, t.entry)
}

// Listed returns an entry that is a referrer, or the referrers that it lists.
func (s *layoutSource) Listed(ctx context.Context, t tagged, known func(digest.Digest) (digest.Digest, bool)) ([]ocispec.Descriptor, bool, error) {
	if subject, found := known(t.entry.Digest); found && subject != "" {
		return []ocispec.Descriptor{t.entry}, false, nil
	}
	m, err := s.Manifest(ctx, t.entry)
	switch {
	case missing(err):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case m.Subject() != "":
		return []ocispec.Descriptor{m.Entry()}, false, nil
	case t.name == "":
		// An image without a name.
		return nil, true, nil
	}
	contents, err := m.Contents()
	if err != nil {
		return nil, false, err
	}
	var referrers []ocispec.Descriptor
	for _, entry := range contents.Manifests {
		m, err := s.Manifest(ctx, entry)
		switch {
		case missing(err) || errors.Is(err, index.ErrManifest):
		case err != nil:
			return nil, false, err
		case m.Subject() != "":
			referrers = append(referrers, m.Entry())
		}
	}
	return referrers, false, nil
}
