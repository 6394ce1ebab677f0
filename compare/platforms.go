package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// Annotations by which BuildKit says, in an index, that an entry is an attestation,
// and of which image (BuildKit, "Image attestation storage").
const (
	annotationReferenceType   = "vnd.docker.reference.type"
	annotationReferenceDigest = "vnd.docker.reference.digest"
	typeAttestation           = "attestation-manifest"
)

// member is an image, or an attestation, of an index.
type member struct {
	manifest client.Manifest
	// platform names it, version is that of its system.
	platform, version string
	// about is the image that an attestation is about.
	about digest.Digest
}

// open reads what the root lists, and makes sure that the platform is there which
// is wanted.
func (s *side) open(ctx context.Context) error {
	if !s.Root.IsIndex() {
		return s.openImage(ctx)
	}
	contents, err := s.Root.Contents()
	if err != nil {
		return err
	}
	var there []string
	for _, entry := range contents.Children() {
		attestation := entry.Annotations[annotationReferenceType] == typeAttestation
		if !attestation {
			there = append(there, client.PlatformName(entry.Platform))
			if s.of.options.Platform != "" && !client.MatchPlatform(entry.Platform, s.of.options.Platform) {
				continue
			}
		}
		m, is, err := s.From.Entry(ctx, entry)
		switch {
		case errors.Is(err, client.ErrNotFound):
			s.leave("manifest that the index lists", entry.Digest, "the registry has it not")
			continue
		case err != nil:
			return err
		case !is:
			continue
		}
		s.take(m, entry, attestation)
	}
	if s.of.options.Platform != "" && len(s.images) == 0 {
		return platformError(s.of.options.Platform, there)
	}
	return nil
}

// take keeps what an index lists.
func (s *side) take(m client.Manifest, entry ocispec.Descriptor, attestation bool) {
	if attestation {
		s.beside = append(s.beside, member{manifest: m, about: digest.Digest(entry.Annotations[annotationReferenceDigest])})
		return
	}
	of := member{manifest: m, platform: client.PlatformName(entry.Platform)}
	if entry.Platform != nil {
		of.version = entry.Platform.OSVersion
	}
	s.images = append(s.images, of)
}

// openImage takes a root that is no index, whose platform its config tells.
func (s *side) openImage(ctx context.Context) error {
	of := member{manifest: s.Root}
	contents, err := s.Root.Contents()
	if err != nil {
		return err
	}
	read, err := s.config(ctx, contents.Config)
	if err != nil {
		return err
	}
	if read != nil && read.OS != "" {
		platform := &ocispec.Platform{OS: read.OS, Architecture: read.Architecture, Variant: read.Variant}
		if of.platform = client.PlatformName(platform); s.of.options.Platform != "" && !client.MatchPlatform(platform, s.of.options.Platform) {
			return platformError(s.of.options.Platform, []string{of.platform})
		}
	}
	s.images = []member{of}
	return nil
}

func platformError(wanted string, there []string) error {
	there = slices.DeleteFunc(there, func(name string) bool { return name == "" })
	slices.Sort(there)
	text := "none"
	if there = slices.Compact(there); len(there) > 0 {
		text = strings.Join(there, ", ")
	}
	return fmt.Errorf("it is %w %s; there is %s", ErrPlatform, wanted, text)
}

// attestationsOf returns the attestations beside an image.
func (s *side) attestationsOf(of member) []client.Manifest {
	var found []client.Manifest
	for _, m := range s.beside {
		if m.about == of.manifest.Digest {
			found = append(found, m.manifest)
		}
	}
	return found
}

// pair are two images that are compared.
type pair struct {
	platform string
	a, b     member
}

// pair finds the images of the same platforms. Two that are no index are compared
// whatever their platforms. Where an index has several of a platform, they are told
// apart by the version of the system, and in its order.
func (p *Platforms) pair(a, b *side) []pair {
	p.Added, p.Removed, p.Common = []string{}, []string{}, []string{}
	byName := [2]map[string][]member{byPlatform(a.images), byPlatform(b.images)}
	names := map[string]bool{}
	for _, side := range byName {
		for name := range side {
			names[name] = true
		}
	}
	var pairs []pair
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		as, bs := byName[0][name], byName[1][name]
		several := len(as) > 1 || len(bs) > 1
		for i := range max(len(as), len(bs)) {
			switch {
			case i >= len(as):
				p.Added = append(p.Added, bs[i].label(several))
			case i >= len(bs):
				p.Removed = append(p.Removed, as[i].label(several))
			default:
				p.Common = append(p.Common, as[i].label(several))
				pairs = append(pairs, pair{as[i].label(several), as[i], bs[i]})
			}
		}
	}
	if len(pairs) == 0 && !a.Root.IsIndex() && !b.Root.IsIndex() {
		pairs = []pair{{a.images[0].platform, a.images[0], b.images[0]}}
	}
	return pairs
}

func byPlatform(members []member) map[string][]member {
	all := map[string][]member{}
	for _, m := range members {
		all[m.platform] = append(all[m.platform], m)
	}
	for _, of := range all {
		slices.SortStableFunc(of, func(a, b member) int { return strings.Compare(a.version, b.version) })
	}
	return all
}

// label names the platform of an image among several of the same.
func (m member) label(several bool) string {
	if several && m.version != "" {
		return m.platform + ":" + m.version
	}
	return m.platform
}
