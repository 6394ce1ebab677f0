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
	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
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

// write makes the tag equal to the listing. Where it stands for something else
// the error is [registry.ErrNotOurs]; the referrers have their hidden tags then
// all the same.
func (m *Mirror) write(ctx context.Context, repository string, subject digest.Digest) (result string, err error) {
	tag := oci.ReferrersTag(subject)
	ctx, release, err := m.Own(ctx, repository, tag)
	if err != nil {
		return "", err
	}
	defer release()
	current, err := m.Source.importTag(ctx, repository, tag)
	if err != nil {
		return "", err
	}
	notOurs := registry.CheckOurs(current, repository, subject)
	list, err := m.listing(ctx, repository, subject, nil)
	if err != nil {
		return "", err
	}
	if notOurs == nil && (current.Digest == "" && len(list.entries) == 0 || current.Digest == digest.FromBytes(list.body)) {
		return "unchanged", nil
	}
	// Before the index, which says that they are there.
	if err := m.hold(ctx, repository, list.entries, current); err != nil {
		return "", err
	}
	if notOurs != nil {
		return "", notOurs
	}
	own := m.Source.ownTags()
	err = own.WriteReferrers(ctx, repository, subject, current.Digest, list.body)
	var status *upstream.StatusError
	if errors.As(err, &status) && (status.Status == http.StatusBadRequest || status.Status == http.StatusNotFound) {
		// Registries refuse an index that lists what they have not got.
		if list, err = m.present(ctx, repository, subject, err); err == nil {
			err = own.WriteReferrers(ctx, repository, subject, current.Digest, list.body)
		}
	}
	if err != nil {
		return "", err
	}
	if current.Digest != "" && current.Digest != digest.FromBytes(list.body) {
		m.dropOld(ctx, repository, tag, current.Digest)
	}
	return "written", nil
}

// hold gives the entries of a listing that lack it their hidden tag. Those of
// the current index of the mirror have it.
func (m *Mirror) hold(ctx context.Context, repository string, entries []digest.Digest, current registry.Judged) error {
	if !m.HiddenTags {
		return nil
	}
	held := map[digest.Digest]bool{}
	if current.Kind == index.TagReferrers && current.List.Annotations[annotationHeld] != "" {
		for _, entry := range current.List.Manifests() {
			held[entry] = true
		}
	}
	own := m.Source.ownTags()
	for _, entry := range entries {
		if held[entry] {
			continue
		}
		switch err := own.WriteHidden(ctx, repository, entry); {
		case errors.Is(err, upstream.ErrNotFound):
		case errors.Is(err, registry.ErrNotOurs):
			m.Log.Warn("referrer gets no hidden tag: delete the tag to have it written", zap.String("repository", repository),
				zap.Stringer("digest", entry), zap.Error(err))
		case err != nil:
			return err
		}
	}
	return nil
}

// dropOld deletes the image index that a tag stood for before. A registry that
// allows no deletes keeps it until its garbage collection.
func (m *Mirror) dropOld(ctx context.Context, repository, tag string, old digest.Digest) {
	if err := m.Source.dropReferrers(ctx, repository, tag, old); err != nil {
		m.Log.Debug("old index of a referrers tag is left", zap.String("repository", repository), zap.Stringer("digest", old), zap.Error(err))
	}
}

// present returns what the tag of a subject can be without the referrers that
// the registry has not got just now; they stay in the index until a verification
// drops them. Where there are none the error is the refusal.
func (m *Mirror) present(ctx context.Context, repository string, subject digest.Digest, refusal error) (listing, error) {
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
	return list, nil
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
		Annotations   map[string]string `json:"annotations"`
	}{2, oci.MediaTypeImageIndex, []json.RawMessage{}, map[string]string{index.AnnotationSubject: subject.String()}}
	if m.HiddenTags {
		doc.Annotations[annotationHeld] = "true"
	}
	size := 0
	for query := (index.Query{Limit: recordsPage}); ; {
		page, err := m.Store.Referrers(ctx, repository, subject, query)
		if err != nil {
			return listing{}, err
		}
		limits := m.Source.Limits()
		for _, referrer := range page.Referrers {
			query.After = referrer.Cursor()
			if take != nil {
				if taken, err := take(referrer.Digest); err != nil {
					return listing{}, err
				} else if !taken {
					continue
				}
			}
			descriptor, err := index.Listed(referrer.Descriptor, limits.Descriptor)
			if err != nil {
				return listing{}, err
			}
			if size += len(descriptor); int64(size) > limits.Size {
				return listing{}, fmt.Errorf("the referrers of %s in %s do not fit into one index of %d bytes (limits.manifestSize)", subject, repository, limits.Size)
			}
			doc.Manifests = append(doc.Manifests, descriptor)
			list.entries = append(list.entries, referrer.Digest)
		}
		if !page.More {
			break
		}
	}
	list.body, err = json.Marshal(doc)
	return list, err
}
