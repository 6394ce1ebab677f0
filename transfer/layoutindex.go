package transfer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasoci "oras.land/oras-go/v2/content/oci"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// writeIndex writes index.json. For each subject it names the index of its
// referrers, and after it every referrer, with artifact type and annotations,
// all by the subject's referrers tag: clients that know the tag schema take the
// first with the name, others look at each entry.
func (t *layoutTarget) writeIndex(ctx context.Context, pending []finished) error {
	document, entries, err := t.readIndex()
	if err != nil {
		return fmt.Errorf("read index.json of %s: %w", t.root, err)
	}
	store, err := t.reading(ctx)
	if err != nil {
		return err
	}
	referrers := map[digest.Digest][]client.Manifest{}
	var event func(Event)
	for _, done := range pending {
		if done.root.Digest != "" {
			entries = addRoot(entries, done.root, done.tag)
		}
		for subject, of := range done.referrers {
			referrers[subject], event = append(referrers[subject], of...), done.event
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(referrers)) {
		known, err := layoutReferrers(ctx, store, subject)
		if err != nil {
			return fmt.Errorf("list referrers of %s in %s: %w", subject, t.root, err)
		}
		if entries, err = t.addReferrers(ctx, store, entries, subject, union(known, referrers[subject]), event); err != nil {
			return err
		}
	}
	for _, done := range pending {
		entries = addLegacy(entries, done)
	}
	t.gatherAtLeast(len(entries))
	if document, err = document.WithEntries(entries); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(t.root, ocispec.ImageIndexFile), append(document.Body, '\n')); err != nil {
		return fmt.Errorf("write index.json of %s: %w", t.root, err)
	}
	return nil
}

// reading opens the layout as it is now to be read.
func (t *layoutTarget) reading(ctx context.Context) (*orasoci.ReadOnlyStore, error) {
	store, err := orasoci.NewFromFS(ctx, os.DirFS(t.root))
	if err != nil {
		return nil, fmt.Errorf("read layout %s: %w", t.root, err)
	}
	return store, nil
}

// readIndex reads index.json, whose own annotations are to stay, and its
// entries.
func (t *layoutTarget) readIndex() (client.Manifest, []ocispec.Descriptor, error) {
	body, err := os.ReadFile(filepath.Join(t.root, ocispec.ImageIndexFile))
	if err != nil {
		return client.Manifest{}, nil, err
	}
	document := client.EmptyIndex()
	document.Body = body
	entries, err := readEntries(body)
	return document, entries, err
}

// addRoot gives what was copied its name. Another manifest that had the name
// stays without one.
func addRoot(entries []ocispec.Descriptor, root client.Manifest, tag string) []ocispec.Descriptor {
	kept := make([]ocispec.Descriptor, 0, len(entries)+1)
	listed := false
	for _, entry := range entries {
		if tag != "" && refName(entry) == tag && entry.Digest != root.Digest {
			entry = named(entry, "")
		}
		if entry.Digest == root.Digest && (refName(entry) == tag || refName(entry) == "") {
			continue
		}
		listed = listed || entry.Digest == root.Digest
		kept = append(kept, entry)
	}
	if listed && tag == "" {
		return kept
	}
	entry := root.Entry()
	// It is no referrer that anyone would look for by these.
	entry.Annotations, entry.ArtifactType = nil, ""
	return slices.Insert(kept, 0, named(entry, tag))
}

// addReferrers writes the index of a subject's referrers, and replaces the
// entries that list them. What else has the name of their tag keeps it.
func (t *layoutTarget) addReferrers(ctx context.Context, store *orasoci.ReadOnlyStore, entries []ocispec.Descriptor, subject digest.Digest, referrers []client.Manifest, event func(Event)) ([]ocispec.Descriptor, error) {
	tag := oci.ReferrersTag(subject)
	list := make([]ocispec.Descriptor, len(referrers))
	for i, m := range referrers {
		list[i] = m.Entry()
	}
	m, err := client.EmptyIndex().WithEntries(list)
	if err != nil {
		return nil, err
	}
	outcome := Present
	if present, err := t.HasManifest(ctx, m, tag); err != nil {
		return nil, err
	} else if !present {
		outcome = Copied
		if err := t.PutManifest(ctx, m, tag); err != nil {
			return nil, err
		}
	}
	own, err := newOwnNames(ctx, store, slices.DeleteFunc(slices.Clone(entries), func(entry ocispec.Descriptor) bool { return refName(entry) != tag }))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.root, err)
	}
	entries = slices.DeleteFunc(entries, func(entry ocispec.Descriptor) bool {
		return refName(entry) == tag && own.of(entry) == "" || refName(entry) == "" && slices.ContainsFunc(list, func(d ocispec.Descriptor) bool { return d.Digest == entry.Digest })
	})
	event(Event{What: "referrersTag", Outcome: outcome, Digest: m.Digest, MediaType: m.MediaType, Size: m.Size, Tag: tag})
	entries = append(entries, named(ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}, tag))
	for _, d := range list {
		entries = append(entries, named(d, tag))
	}
	return entries, nil
}

// named returns an entry with another name, or none.
func named(entry ocispec.Descriptor, name string) ocispec.Descriptor {
	annotations := maps.Clone(entry.Annotations)
	delete(annotations, ocispec.AnnotationRefName)
	if name != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[ocispec.AnnotationRefName] = name
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	entry.Annotations = annotations
	return entry
}

// union returns the manifests of both, each once, by digest.
func union(a, b []client.Manifest) []client.Manifest {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b client.Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	return slices.CompactFunc(all, func(a, b client.Manifest) bool { return a.Digest == b.Digest })
}
