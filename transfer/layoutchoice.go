package transfer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// Resolve returns the manifest with the location's tag or digest, or the one
// that there is, and the name that index.json has for it.
func (s *layoutSource) Resolve(ctx context.Context) (client.Manifest, string, error) {
	if s.location.Digest != "" {
		m, err := s.byDigest(ctx, s.location.Digest)
		return m, s.location.Tag, err
	}
	own, err := newOwnNames(ctx, s.store, s.entries)
	if err != nil {
		return client.Manifest{}, "", fmt.Errorf("%s: %w", s.location.Path, err)
	}
	found, err := s.candidates(ctx, own)
	if err != nil {
		return client.Manifest{}, "", err
	}
	if len(found) != 1 {
		return client.Manifest{}, "", fmt.Errorf("%s: %d manifests could be meant; %s", s.location.Path, len(found), s.choices(found, own))
	}
	m, err := s.Manifest(ctx, found[0])
	return m, own.of(found[0]), err
}

// candidates returns the entries that can be meant: those with the tag, or
// those that refer to nothing, or, in a layout that holds referrers alone,
// those whose subject is not there.
func (s *layoutSource) candidates(ctx context.Context, own ownNames) ([]ocispec.Descriptor, error) {
	if s.location.Tag != "" {
		return once(s.entries, own, func(entry ocispec.Descriptor) bool { return refName(entry) == s.location.Tag }), nil
	}
	subjects := make([]digest.Digest, len(s.entries))
	listed := map[digest.Digest]bool{}
	for i, entry := range s.entries {
		m, err := s.Manifest(ctx, entry)
		if err != nil {
			return nil, err
		}
		subjects[i] = m.Subject()
		listed[entry.Digest] = true
	}
	var roots, others []ocispec.Descriptor
	for i, entry := range s.entries {
		switch {
		case subjects[i] == "" && (refName(entry) == "" || own.of(entry) != ""):
			roots = append(roots, entry)
		case subjects[i] != "" && !listed[subjects[i]]:
			others = append(others, entry)
		}
	}
	if len(roots) == 0 {
		roots = others
	}
	return once(roots, own, func(ocispec.Descriptor) bool { return true }), nil
}

// once returns the entries that are wanted, each manifest once, those with a
// name of their own before others.
func once(entries []ocispec.Descriptor, own ownNames, wanted func(ocispec.Descriptor) bool) []ocispec.Descriptor {
	var kept []ocispec.Descriptor
	for _, entry := range entries {
		if !wanted(entry) {
			continue
		}
		i := slices.IndexFunc(kept, func(k ocispec.Descriptor) bool { return k.Digest == entry.Digest })
		switch {
		case i < 0:
			kept = append(kept, entry)
		case own.of(kept[i]) == "" && own.of(entry) != "":
			kept[i] = entry
		}
	}
	return kept
}

// choices says how one of several manifests is named: by its tag, or by digest
// where it has none that can be written behind a path.
func (s *layoutSource) choices(found []ocispec.Descriptor, own ownNames) string {
	if len(found) == 0 {
		// Every name counts, of one manifest too.
		found = slices.DeleteFunc(slices.Clone(s.entries), func(entry ocispec.Descriptor) bool { return own.of(entry) == "" })
	}
	if len(found) == 0 {
		found = s.entries
	}
	var tags, digests []string
	for _, entry := range found {
		switch name := refName(entry); {
		case own.of(entry) == "":
			digests = append(digests, "@"+entry.Digest.String())
		case validTag(name):
			tags = append(tags, ":"+name)
		default:
			digests = append(digests, fmt.Sprintf("@%s (%s)", entry.Digest, client.Printable(name)))
		}
	}
	slices.Sort(tags)
	slices.Sort(digests)
	all := slices.Compact(append(tags, digests...))
	return "name one behind the path: " + cmp.Or(strings.Join(all, ", "), "there is none")
}
