package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasoci "oras.land/oras-go/v2/content/oci"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// legacyTag is a tag of cosign that a copied manifest gets, and what it stood for
// in the target before; empty where it stood for nothing.
type legacyTag struct {
	tag      string
	manifest client.Manifest
	before   digest.Digest
}

// noteLegacy keeps the tag of a legacy referrer. Several subjects may have one
// manifest: then it has several tags.
func (p *plan) noteLegacy(referrer oci.Descriptor) {
	if referrer.Legacy {
		p.legacy[referrer.Tag] = referrer.Digest
	}
}

// legacyTags returns the tags that legacy referrers are to get, and fails, before
// anything of the image is written, where one would take away what the target has
// under it.
func (r *run) legacyTags(ctx context.Context) ([]legacyTag, error) {
	var tags []legacyTag
	for _, tag := range slices.Sorted(maps.Keys(r.plan.legacy)) {
		l := legacyTag{tag: tag, manifest: r.plan.nodes[r.plan.legacy[tag]].manifest}
		err := r.pool.do(ctx, func() (err error) {
			l.before, err = r.target.Tagged(ctx, tag)
			return err
		})
		if err == nil {
			l.manifest, err = r.keepFuller(ctx, tag, l.manifest, l.before)
		}
		if err != nil {
			return nil, err
		}
		if l.before != l.manifest.Digest {
			r.changed.Store(true)
		}
		tags = append(tags, l)
	}
	return tags, nil
}

// keepFuller returns the manifest that a tag of cosign is to stand for, where the
// target has there under it: the one that has all that the other has.
func (s *shared) keepFuller(ctx context.Context, tag string, wanted client.Manifest, there digest.Digest) (client.Manifest, error) {
	if there == "" || there == wanted.Digest {
		return wanted, nil
	}
	var found client.Manifest
	err := s.pool.do(ctx, func() (err error) {
		found, err = s.target.Standing(ctx, tag, there)
		return err
	})
	if err != nil {
		return wanted, err
	}
	return fuller(tag, wanted, found)
}

// fuller returns the one of two manifests that has every layer of the other:
// cosign adds to what it finds under a tag. The payload of signatures by two keys
// may be one and the same, so that annotations count.
func fuller(tag string, wanted, found client.Manifest) (client.Manifest, error) {
	layers, err := layersOf(wanted)
	if err != nil {
		return wanted, err
	}
	others, err := layersOf(found)
	switch {
	case err != nil || holdsAll(layers, others):
		return wanted, err
	case holdsAll(others, layers):
		return found, nil
	}
	return wanted, fmt.Errorf("the target has %s under the tag %s, with what the source's %s lacks: make a referrer of it there (backref adopt) "+
		"and delete the tag, or copy with --no-legacy", found.Digest, tag, wanted.Digest)
}

// holdsAll tells whether all layers of another manifest are among some. One
// without layers is nothing that cosign keeps.
func holdsAll(layers, others map[string]bool) bool {
	for layer := range others {
		if !layers[layer] {
			return false
		}
	}
	return len(others) > 0
}

// layersOf returns the layers of a manifest, each as JSON in one form.
func layersOf(m client.Manifest) (map[string]bool, error) {
	contents, err := m.Contents()
	if err != nil {
		return nil, err
	}
	layers := map[string]bool{}
	for _, layer := range contents.Layers {
		text, err := json.Marshal(layer)
		if err != nil {
			return nil, err
		}
		layers[string(text)] = true
	}
	return layers, nil
}

func (l legacyTag) event() Event {
	outcome := Copied
	if l.before == l.manifest.Digest {
		outcome = Present
	}
	return Event{What: "legacyTag", Outcome: outcome, Digest: l.manifest.Digest, MediaType: l.manifest.MediaType, Size: l.manifest.Size, Tag: l.tag}
}

// Standing implements [target].
func (t *registryTarget) Standing(ctx context.Context, _ string, sum digest.Digest) (client.Manifest, error) {
	return t.repository.Manifest(ctx, sum.String())
}

// tagLegacy gives legacy referrers their tags, as long as these stand for what they
// stood for before: registries that heed conditions see to that.
func (t *registryTarget) tagLegacy(ctx context.Context, done finished) error {
	group, ctx := t.pool.workers(ctx)
	for _, l := range done.legacy {
		group.Go(func() (err error) {
			if l.before != l.manifest.Digest {
				_, err = t.repository.PutManifest(ctx, l.manifest, l.tag, client.Condition{Digest: l.before, Absent: l.before == ""})
			}
			if err == nil {
				done.event(l.event())
			}
			return err
		})
	}
	return group.Wait()
}

// Standing implements [target].
func (t *layoutTarget) Standing(ctx context.Context, tag string, sum digest.Digest) (client.Manifest, error) {
	store, err := t.reading(ctx)
	if err != nil {
		return client.Manifest{}, err
	}
	d, err := store.Resolve(ctx, sum.String())
	if err != nil {
		return client.Manifest{}, fmt.Errorf("read what %s names in %s: %w", tag, t.root, err)
	}
	return layoutManifest(ctx, store, d)
}

// addLegacy names legacy referrers in index.json by their tags. What had such a
// name before has nothing that they lack.
func addLegacy(entries []ocispec.Descriptor, done finished) []ocispec.Descriptor {
	for _, l := range done.legacy {
		entries = slices.DeleteFunc(entries, func(entry ocispec.Descriptor) bool {
			return refName(entry) == l.tag || refName(entry) == "" && entry.Digest == l.manifest.Digest && entry.Digest != done.root.Digest
		})
		entry := ocispec.Descriptor{MediaType: l.manifest.MediaType, Digest: l.manifest.Digest, Size: l.manifest.Size}
		entries = append(entries, named(entry, l.tag))
		done.event(l.event())
	}
	return entries
}

// withLegacy adds the legacy referrers of a subject that index.json names.
func (s *layoutSource) withLegacy(ctx context.Context, subject digest.Digest, all []oci.Descriptor) ([]oci.Descriptor, error) {
	tags := oci.CosignTags(subject)
	for _, entry := range s.entries {
		if !slices.Contains(tags, refName(entry)) {
			continue
		}
		m, err := layoutManifest(ctx, s.store, entry)
		switch {
		case missing(err), errors.Is(err, index.ErrManifest):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", s.location.Path, err)
		}
		if l, is := client.NewLegacy(refName(entry), m); is {
			all = append(all, l.Listed)
		}
	}
	return all, nil
}

// isLegacy tells whether an entry that is named as by cosign is a legacy referrer.
// Of one that is not there nothing is lost with its name.
func isLegacy(ctx context.Context, store *orasoci.ReadOnlyStore, entry ocispec.Descriptor) (bool, error) {
	m, err := layoutManifest(ctx, store, entry)
	switch {
	case missing(err):
		return true, nil
	case errors.Is(err, index.ErrManifest):
		return false, nil
	case err != nil:
		return false, err
	}
	_, is := client.NewLegacy(refName(entry), m)
	return is, nil
}
