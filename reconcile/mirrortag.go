package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// annotationHeld on the image index of a referrers tag says that each entry
// has its hidden tag. An index that another client wrote hasn't got it.
const annotationHeld = "com.github.backref.holding-tags"

// listing is the content of a referrers tag.
type listing struct {
	body    []byte
	entries []digest.Digest
}

// write makes the tag equal to the listing.
func (m *Mirror) write(ctx context.Context, repository string, subject digest.Digest) (result string, err error) {
	tag := index.ReferrersTag(subject)
	release, err := m.Own(ctx, repository, tag)
	if err != nil {
		return "", err
	}
	defer release()
	current, err := m.Source.importTag(ctx, m.Store, repository, tag)
	if err != nil {
		return "", err
	}
	if current.Digest != "" && current.MediaType != index.MediaTypeImageIndex {
		return "", fmt.Errorf("the tag %s stands for something else than an image index", tag)
	}
	list, err := m.listing(ctx, repository, subject, nil)
	if err != nil {
		return "", err
	}
	if current.Digest == "" && len(list.entries) == 0 || current.Digest == digest.FromBytes(list.body) {
		return "unchanged", nil
	}
	// Before the index, which says that they are there.
	if err := m.hold(ctx, repository, list.entries, current); err != nil {
		return "", err
	}
	err = m.Source.put(ctx, repository, tag, index.MediaTypeImageIndex, list.body)
	var status *upstream.StatusError
	if errors.As(err, &status) && (status.Status == http.StatusBadRequest || status.Status == http.StatusNotFound) {
		// Registries refuse an index that lists what they have not got.
		list, err = m.writePresent(ctx, repository, subject, err)
	}
	if err != nil {
		return "", err
	}
	if current.Digest != "" && current.Digest != digest.FromBytes(list.body) {
		m.dropOld(ctx, repository, current.Digest)
	}
	return "written", nil
}

// hold gives the entries of a listing that lack it their hidden tag. Those of
// the current index of the mirror have it.
func (m *Mirror) hold(ctx context.Context, repository string, entries []digest.Digest, current index.Record) error {
	if !m.HiddenTags {
		return nil
	}
	held := map[digest.Digest]bool{}
	if current.Annotations[annotationHeld] != "" {
		for _, entry := range children(current.Manifest) {
			held[entry] = true
		}
	}
	for _, entry := range entries {
		if held[entry] {
			continue
		}
		manifest, err := m.Source.manifest(ctx, repository, entry.String())
		if errors.Is(err, upstream.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := m.Source.put(ctx, repository, index.HiddenTag(entry), manifest.MediaType, manifest.Body); err != nil {
			return err
		}
	}
	return nil
}

// dropOld deletes the image index that a tag stood for before. A registry that
// allows no deletes keeps it until its garbage collection.
func (m *Mirror) dropOld(ctx context.Context, repository string, old digest.Digest) {
	if err := m.Source.drop(ctx, m.Store, index.Key{Repository: repository, Digest: old}); err != nil {
		m.Log.Debug("old index of a referrers tag is left", zap.String("repository", repository), zap.Stringer("digest", old), zap.Error(err))
	}
}

// writePresent writes the tag without the referrers that the registry has not
// got just now; they stay in the index until a verification drops them.
func (m *Mirror) writePresent(ctx context.Context, repository string, subject digest.Digest, refusal error) (listing, error) {
	left := 0
	list, err := m.listing(ctx, repository, subject, func(referrer digest.Digest) (bool, error) {
		present, err := m.Source.has(ctx, index.Key{Repository: repository, Digest: referrer})
		if !present {
			left++
		}
		return present, err
	})
	switch {
	case err != nil:
		return listing{}, err
	case left == 0:
		return listing{}, refusal
	}
	return list, m.Source.put(ctx, repository, index.ReferrersTag(subject), index.MediaTypeImageIndex, list.body)
}

// listing returns what the tag of a subject has to be. take selects the
// referrers; nil takes all.
func (m *Mirror) listing(ctx context.Context, repository string, subject digest.Digest,
	take func(digest.Digest) (bool, error),
) (list listing, err error) {
	doc := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	}{2, index.MediaTypeImageIndex, []json.RawMessage{}, nil}
	if m.HiddenTags {
		doc.Annotations = map[string]string{annotationHeld: "true"}
	}
	size := 0
	for query := (index.Query{Limit: recordsPage}); ; {
		page, err := m.Store.Referrers(ctx, repository, subject, query)
		if err != nil {
			return listing{}, err
		}
		for _, referrer := range page.Referrers {
			query.After = referrer.Place()
			if take != nil {
				if taken, err := take(referrer.Digest); err != nil {
					return listing{}, err
				} else if !taken {
					continue
				}
			}
			if size += len(referrer.Descriptor); int64(size) > int64(m.Source.limits.ManifestSize) {
				return listing{}, fmt.Errorf("the referrers of %s in %s do not fit into one index of %s", subject, repository, m.Source.limits.ManifestSize)
			}
			doc.Manifests = append(doc.Manifests, referrer.Descriptor)
			list.entries = append(list.entries, referrer.Digest)
		}
		if !page.More {
			break
		}
	}
	list.body, err = json.Marshal(doc)
	return list, err
}
