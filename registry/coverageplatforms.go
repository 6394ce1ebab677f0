package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// By these annotations of an entry BuildKit says that it is about another one
// (BuildKit, "Image Attestation Storage").
const (
	annotationReferenceType   = "vnd.docker.reference.type"
	annotationReferenceDigest = "vnd.docker.reference.digest"
	referenceAttestation      = "attestation-manifest"
	// typeBuildKitAttestation is the artifact type of such an entry that has none, as
	// those of most versions.
	typeBuildKitAttestation = "application/vnd.docker.attestation.manifest.v1+json"
)

// listedImages is what an index lists, as far as it matters how its images fare.
type listedImages struct {
	images []listedImage
	// attestations are its entries that are about another one.
	attestations []listedAttestation
	// statements are the same as artifacts of the images that they are about.
	statements map[digest.Digest][]coverage.Artifact
	// broken says that it can't be read as an index.
	broken bool
}

// listedImage is an entry of an index that is an image.
type listedImage struct {
	oci.Descriptor
	// platform is os/architecture[/variant]; empty where the index doesn't say.
	platform string
}

// listedAttestation is an entry that says that it is about another one.
type listedAttestation struct {
	oci.Descriptor
	about digest.Digest
}

// lists reads the indexes among some records, where a requirement is about the
// images of an index: the index of backref does not keep what they are for.
func (l *coverageLook) lists(ctx context.Context, records map[digest.Digest]index.Record) (map[digest.Digest]listedImages, error) {
	if !slices.ContainsFunc(l.query.Requirements, func(r coverage.Requirement) bool { return !r.Platforms().None() }) {
		return nil, nil
	}
	var mutex sync.Mutex
	lists := map[digest.Digest]listedImages{}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, l.registry.Limits().Concurrency))
	for _, record := range records {
		if !oci.IsIndexType(record.MediaType) {
			continue
		}
		group.Go(func() error {
			list, err := l.list(groupCtx, record.Digest)
			mutex.Lock()
			defer mutex.Unlock()
			lists[record.Digest] = list
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return lists, l.addStatements(ctx, lists)
}

// list reads an index, once.
func (l *coverageLook) list(ctx context.Context, manifest digest.Digest) (listedImages, error) {
	name := l.caller.name(manifest)
	if list, known := l.registry.coverage.lists.GetIfPresent(name); known {
		return list, nil
	}
	found, err := l.registry.reader(l.caller).Manifest(ctx, l.caller.repository, manifest.String())
	switch OutcomeOf(err) {
	case OutcomeRead:
	case OutcomeUnknown:
		return listedImages{}, fmt.Errorf("read index %s: %w", manifest, err)
	default:
		return listedImages{broken: true}, nil
	}
	list, err := parseListed(found.Body)
	if err != nil {
		return listedImages{broken: true}, nil //nolint:nilerr // It is said of the image.
	}
	l.registry.coverage.lists.Set(name, list)
	return list, nil
}

// unknownPlatform is what BuildKit writes as system and architecture of what is for no
// platform.
const unknownPlatform = "unknown"

// parseListed reads the entries of an index that was read as a manifest before.
func parseListed(body []byte) (listedImages, error) {
	var document struct {
		Manifests []struct {
			oci.Descriptor
			Platform *struct {
				OS           string `json:"os"`
				Architecture string `json:"architecture"`
				Variant      string `json:"variant"`
			} `json:"platform"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return listedImages{}, err
	}
	var list listedImages
	doubtful := index.DoubtfulEntries(body)
	for _, entry := range document.Manifests {
		// What may be an image counts as one: it lacks something rather than be left out.
		if !oci.IsManifestType(entry.MediaType) && !slices.Contains(doubtful, entry.Digest) {
			continue
		}
		// An entry for a platform is what is pulled for that, whatever it is annotated as.
		runs := entry.Platform != nil && (entry.Platform.OS != unknownPlatform || entry.Platform.Architecture != unknownPlatform)
		if entry.Annotations[annotationReferenceType] == referenceAttestation && !runs {
			about := digest.Digest(entry.Annotations[annotationReferenceDigest])
			if about.Validate() == nil {
				list.attestations = append(list.attestations, listedAttestation{entry.Descriptor, about})
			}
			continue
		}
		image := listedImage{Descriptor: oci.Descriptor{MediaType: entry.MediaType, Digest: entry.Digest, Size: entry.Size}}
		if p := entry.Platform; p != nil {
			image.platform = p.OS + "/" + p.Architecture
			if p.Variant != "" {
				image.platform += "/" + p.Variant
			}
		}
		known := func(other listedImage) bool {
			return other.Digest == image.Digest && other.platform == image.platform
		}
		if !slices.ContainsFunc(list.images, known) {
			list.images = append(list.images, image)
		}
	}
	return list, nil
}

// addStatements makes artifacts of the entries of indexes that are attestations.
func (l *coverageLook) addStatements(ctx context.Context, lists map[digest.Digest]listedImages) error {
	var entries []digest.Digest
	for _, list := range lists {
		for _, entry := range list.attestations {
			entries = append(entries, entry.Digest)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	seen, err := l.seen(ctx, entries)
	if err != nil {
		return err
	}
	var unread []*coverage.Artifact
	for manifest, list := range lists {
		list.statements = make(map[digest.Digest][]coverage.Artifact, len(list.attestations))
		for _, entry := range list.attestations {
			at := slices.IndexFunc(list.images, func(image listedImage) bool { return image.Digest == entry.about })
			if at < 0 {
				continue
			}
			a := attachedBy(entry.Descriptor, list.images[at].Descriptor, seen[entry.Digest])
			a.By = coverage.ByEntry
			a.ArtifactType = cmp.Or(a.ArtifactType, typeBuildKitAttestation)
			a.Kind.Kinds |= artifact.KindAttestation
			list.statements[entry.about] = append(list.statements[entry.about], a)
		}
		for about := range list.statements {
			for i := range list.statements[about] {
				unread = append(unread, &list.statements[about][i])
			}
		}
		lists[manifest] = list
	}
	return l.readPredicates(ctx, unread)
}

// seen returns when the index learnt of manifests, as far as it knows them, where the
// age of what is attached matters.
func (l *coverageLook) seen(ctx context.Context, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	if l.query.MaxAge == 0 {
		return nil, nil
	}
	records, err := l.registry.recordsOf(ctx, l.caller, manifests)
	if err != nil {
		return nil, err
	}
	seen := make(map[digest.Digest]time.Time, len(records))
	for manifest, record := range records {
		seen[manifest] = record.Seen
	}
	return seen, nil
}
