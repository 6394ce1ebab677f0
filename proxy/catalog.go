package proxy

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// artifactEntry is a manifest of a repository.
type artifactEntry struct {
	oci.Descriptor
	Subject digest.Digest `json:"subject,omitempty"`
}

// catalogArtifacts lists the manifests of a repository that the index knows,
// whether or not they have a tag or a subject.
func (p *Proxy) catalogArtifacts(w http.ResponseWriter, r *http.Request, target path) error {
	query, values, err := p.queryOf(r, index.Order{})
	if err != nil {
		return err
	}
	client := p.readerOf(r, target)
	records, more, err := p.artifacts(r.Context(), client, query)
	if err != nil {
		return err
	}
	list := p.newEntryList(query)
	var last index.Cursor
	for _, record := range records {
		added, err := list.add(artifactEntry{record.Descriptor(), record.Subject()})
		if err != nil {
			return err
		}
		if !added {
			more = true
			break
		}
		last = query.Order.Place(record.Descriptor(), record.Seen)
	}
	link := ""
	if more {
		query.After = last
		link = nextLink(here(target, values), query.Values())
	}
	return p.sendJSON(w, r, struct {
		Name      string     `json:"name"`
		Manifests *entryList `json:"manifests"`
	}{target.repository, list}, filtersOf(query), link)
}

// artifacts reads a page from the index. To a client that may read nothing of
// the repository it is that of an unknown one.
func (p *Proxy) artifacts(ctx context.Context, client *reader, query index.Query) ([]index.Record, bool, error) {
	if err := p.tryArtifacts(ctx, client); err != nil || !client.permitted {
		return nil, false, err
	}
	query.Limit = pageLimit(query)
	return p.store.Manifests(ctx, client.repository, query)
}

// tryArtifacts lets a client in by a manifest of the repository that it may
// read: one that the index knows, or one that a tag leads to. Both are tried
// whatever the index holds.
func (p *Proxy) tryArtifacts(ctx context.Context, client *reader) error {
	if p.recall(client) {
		return nil
	}
	records, _, err := p.store.Manifests(ctx, client.repository, index.Query{Limit: maxProbes, MaxBytes: probeBytes})
	if err != nil {
		return err
	}
	digests := make([]digest.Digest, 0, len(records))
	for _, record := range records {
		digests = append(digests, record.Digest)
	}
	if err := p.tryManifests(ctx, client, digests); err != nil || client.permitted {
		return err
	}
	return p.tryTags(ctx, client)
}

// tryTags lets a client in by the first tags.
func (p *Proxy) tryTags(ctx context.Context, client *reader) error {
	tried := 0
	for tag, err := range p.upstream.Tags(ctx, client.as, client.repository, p.config.Limits.ListEntries) {
		if tried++; tried > maxProbes || errors.Is(err, upstream.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		switch _, err := p.tagDigest(ctx, client, tag); {
		case err == nil:
			p.permit(client)
			return nil
		case !errors.Is(err, upstream.ErrNotFound):
			return err
		}
	}
	return nil
}
