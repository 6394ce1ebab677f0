package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
)

const (
	// DefaultMaxBlob is how large a configuration or document is that is read.
	DefaultMaxBlob = 32 << 20
	// parallel is how many images are compared at once, parallelDocuments how many
	// documents are in memory.
	parallel          = 4
	parallelDocuments = 2
)

// Side is one of the images that are compared: what names it, where it is, and its
// manifest. From is safe for concurrent use, and may be that of both sides.
type Side struct {
	Name string
	From client.Graph
	Root client.Manifest
}

// Options say what is compared.
type Options struct {
	// Platform is the only one that is looked at, as os/architecture[/variant]; empty
	// for all.
	Platform string
	// MaxBlob is how many bytes a configuration or document may have that is read; 0
	// is [DefaultMaxBlob].
	MaxBlob int64
}

// ErrPlatform says that an image is not there for the platform that is asked for.
var ErrPlatform = errors.New("not there for the platform")

// Images compares two images, or two indexes of them platform by platform. An image
// is compared with that of an index which has its platform.
//
// Errors: [ErrPlatform]; those of [client.Graph]; what has another digest than it
// was named by. What is missing or too large is none, but [Difference.Unread].
func Images(ctx context.Context, a, b Side, o Options) (*Difference, error) {
	o.MaxBlob = cmp.Or(o.MaxBlob, DefaultMaxBlob)
	c := &comparison{options: o, documents: make(chan struct{}, parallelDocuments)}
	sides := [2]*side{{Side: a, letter: "a", of: c}, {Side: b, letter: "b", of: c}}
	for _, s := range sides {
		if err := s.open(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	d := &Difference{A: sides[0].image(), B: sides[1].image()}
	pairs := d.Platforms.pair(sides[0], sides[1])
	if err := d.compareIndexes(ctx, sides[0], sides[1]); err != nil {
		return nil, err
	}
	d.Images = make([]ImageDifference, len(pairs))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, p := range pairs {
		group.Go(func() (err error) {
			d.Images[i], err = p.compare(groupCtx, sides[0], sides[1])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	d.Unread = c.all()
	d.Same = d.same()
	return d, nil
}

// comparison is what the parts of one comparison share.
type comparison struct {
	options Options
	// documents has an element for each document in memory.
	documents chan struct{}
	unread
}

// side is one image while it is compared.
type side struct {
	Side
	letter string
	of     *comparison
	// images are those of an index, or the image itself.
	images []member
	// beside are the attestations that BuildKit puts into an index.
	beside []member
	// index is what is attached to the index.
	index attached
}

// image tells which one it is.
func (s *side) image() Image {
	i := Image{Name: s.Name, Digest: s.Root.Digest, MediaType: s.Root.MediaType, Index: s.Root.IsIndex()}
	if !i.Index {
		i.ArtifactType = s.Root.ArtifactType
	}
	return i
}

// compareIndexes compares what is said of, and attached to, two indexes. Where only
// one is an index, all of it is what the other lacks.
func (d *Difference) compareIndexes(ctx context.Context, a, b *side) error {
	if !a.Root.IsIndex() && !b.Root.IsIndex() {
		return nil
	}
	for _, s := range []*side{a, b} {
		if !s.Root.IsIndex() {
			continue
		}
		var err error
		if s.index, err = s.gather(ctx, s.Root, nil, true); err != nil {
			return err
		}
	}
	d.Attached = kinds(a.index, b.index)
	if !a.Root.IsIndex() || !b.Root.IsIndex() {
		return nil
	}
	d.Annotations = changes("", a.Root.Annotations, b.Root.Annotations)
	if !a.index.noSBOM() || !b.index.noSBOM() {
		d.SBOM = compareSBOMs(a.index.sboms, b.index.sboms)
	}
	return nil
}

// same reports whether nothing differs.
func (d *Difference) same() bool {
	for _, i := range d.Images {
		if !i.Same {
			return false
		}
	}
	return d.A.MediaType == d.B.MediaType && len(d.Platforms.Added)+len(d.Platforms.Removed)+len(d.Annotations)+len(d.Unread) == 0 &&
		sameKinds(d.Attached) && d.SBOM.same()
}

// compare compares two images. Where neither has an SBOM of its own, and an index
// has one, that is compared once, with the indexes.
func (p pair) compare(ctx context.Context, a, b *side) (ImageDifference, error) {
	d := ImageDifference{Platform: p.platform, A: p.a.manifest.Digest, B: p.b.manifest.Digest}
	contents, configs, found := [2]client.Contents{}, [2]*config{}, [2]attached{}
	for i, m := range []member{p.a, p.b} {
		s := []*side{a, b}[i]
		var err error
		if contents[i], err = m.manifest.Contents(); err != nil {
			return d, fmt.Errorf("%s: %w", s.Name, err)
		}
		if configs[i], err = s.config(ctx, contents[i].Config); err != nil {
			return d, fmt.Errorf("%s: %w", s.Name, err)
		}
		if found[i], err = s.gather(ctx, m.manifest, s.attestationsOf(m), false); err != nil {
			return d, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	d.Layers = compareLayers(contents[0], contents[1], configs[0], configs[1])
	d.Config = compareConfigs(contents[0].Config, contents[1].Config, configs[0], configs[1])
	d.Annotations = changes("", p.a.manifest.Annotations, p.b.manifest.Annotations)
	d.Attached = kinds(found[0], found[1])
	fromA, fromB := found[0].noSBOM() && !a.index.noSBOM(), found[1].noSBOM() && !b.index.noSBOM()
	if !fromA || !fromB {
		if fromA {
			found[0].sboms = a.index.sboms
		}
		if fromB {
			found[1].sboms = b.index.sboms
		}
		d.SBOM = compareSBOMs(found[0].sboms, found[1].sboms)
	}
	d.Same = d.Layers.same() && len(d.Config.Changes)+len(d.Config.History.Added)+len(d.Config.History.Removed)+len(d.Annotations) == 0 &&
		sameKinds(d.Attached) && d.SBOM.same()
	return d, nil
}

// changes compares texts by their names, before which a word may stand.
func changes(before string, a, b map[string]string) []Change {
	var all []Change
	for name, value := range a {
		if other, is := b[name]; !is {
			all = append(all, Change{Name: before + name, A: &value})
		} else if other != value {
			all = append(all, Change{Name: before + name, A: &value, B: &other})
		}
	}
	for name, value := range b {
		if _, is := a[name]; !is {
			all = append(all, Change{Name: before + name, B: &value})
		}
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return all
}
