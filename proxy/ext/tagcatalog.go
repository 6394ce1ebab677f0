package ext

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// taggedEntry is a tag with what the manifest that it names says of itself.
type taggedEntry struct {
	Tag string `json:"tag"`
	oci.Descriptor
	// Created is when what the tag names was made, else when the index first saw
	// it; nil where that could not be asked.
	Created *time.Time `json:"created,omitempty"`
	// Version is that of the manifest where it is a semantic version, else the
	// tag where that is one.
	Version string `json:"version,omitempty"`
	key     string
}

// minLookUps is how many tags are looked up at once, at least, where filters
// leave some out.
const minLookUps = 100

// CatalogTags lists the tags that the upstream shows to the client, without
// hidden ones, ordered by what their manifests say.
func (e *Extension) CatalogTags(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	query, err := parseTagQuery(values)
	if err != nil {
		return err
	}
	reading := tagCatalog{of: e, caller: caller, query: query, list: e.newEntryList(query.filters)}
	more, err := reading.page(r.Context())
	if err != nil {
		return err
	}
	link := ""
	if more {
		link = answer.Next(here(caller, CatalogTags, values), query.next(reading.last))
	}
	return e.sendJSON(w, r, struct {
		Name string     `json:"name"`
		Tags *entryList `json:"tags"`
	}{caller.Repository(), reading.list}, query.filters.Filters(), link)
}

// tagCatalog gathers one page of tags.
type tagCatalog struct {
	of     *Extension
	caller *registry.Caller
	query  tagQuery
	list   *entryList
	last   tagCursor
}

// page fills the list. By name it looks up no more tags than it shows, or than
// the filters leave out; another order is known once all are looked up.
func (c *tagCatalog) page(ctx context.Context) (more bool, err error) {
	names, err := c.names(ctx)
	if err != nil {
		return false, err
	}
	if !c.query.byName() {
		return c.fill(ctx, names, names)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return !c.query.within(name) || !c.query.behind(tagCursor{name, name})
	})
	if c.query.descending {
		slices.Reverse(names)
	}
	size := c.list.limit + 1
	if len(c.query.filters.Filters()) > 0 {
		size = max(size, minLookUps)
	}
	for chunk := range slices.Chunk(names, size) {
		if more, err := c.fill(ctx, chunk, nil); more || err != nil {
			return more, err
		}
	}
	return false, nil
}

// fill looks up tags, and adds those that belong on the page. It tells whether
// there was one that had no room.
func (c *tagCatalog) fill(ctx context.Context, names, all []string) (more bool, err error) {
	entries, err := c.lookUp(ctx, names)
	if err != nil {
		return false, err
	}
	if err := c.query.bound(entries, all); err != nil {
		return false, err
	}
	entries = slices.DeleteFunc(entries, func(e taggedEntry) bool {
		return !c.query.filters.Matches(e.Descriptor) || !c.query.within(e.key) || !c.query.behind(e.place())
	})
	slices.SortFunc(entries, func(a, b taggedEntry) int { return c.query.compare(a.place(), b.place()) })
	for _, e := range entries {
		if added, err := c.list.add(e); !added || err != nil {
			return true, err
		}
		c.last = e.place()
	}
	return false, nil
}

// names returns the tags that are not hidden, in their order.
func (c *tagCatalog) names(ctx context.Context) ([]string, error) {
	var names []string
	for tag, err := range c.of.registry.Tags(ctx, c.caller) {
		switch {
		case errors.Is(err, upstream.ErrNotFound):
			return nil, oci.NotFound(oci.CodeNameUnknown, "the registry has no such repository", err)
		case err != nil:
			return nil, err
		case !oci.ValidTag(tag):
			continue
		}
		names = append(names, tag)
	}
	names, err := c.of.registry.Shown(ctx, c.caller, names)
	if err != nil {
		return nil, err
	}
	if len(names) > c.of.options.Limits().CatalogTags {
		return nil, &oci.Error{
			Limit:  "limits.catalogTags",
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported,
			Message: "the repository has more tags than this proxy looks up for one list; its operator can raise limits.catalogTags",
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// lookUp resolves tags, as the client, and reads what their manifests say. A
// tag that has gone meanwhile is left out.
func (c *tagCatalog) lookUp(ctx context.Context, names []string) ([]taggedEntry, error) {
	tagged, err := c.of.registry.ResolveTags(ctx, c.caller, names)
	if err != nil {
		return nil, err
	}
	var manifests []digest.Digest
	for _, manifest := range tagged {
		manifests = append(manifests, manifest)
	}
	slices.Sort(manifests)
	records, err := c.of.registry.Records(ctx, c.caller, slices.Compact(manifests))
	if err != nil {
		return nil, err
	}
	made, err := c.made(ctx, records)
	if err != nil {
		return nil, err
	}
	var entries []taggedEntry
	for _, name := range names {
		if record, found := records[tagged[name]]; found {
			at, known := made[record.Digest]
			if known && at.IsZero() {
				at = record.Seen
			}
			entries = append(entries, c.query.entry(name, record, at))
		}
	}
	return entries, nil
}

// datingTime is how long a list waits to know when images were made that goes by
// something else.
const datingTime = 2 * time.Second

// made tells when what the tags name was made. Where that can't be asked an order
// by it is not known; another one is, and does not wait for it long.
func (c *tagCatalog) made(ctx context.Context, records map[digest.Digest]index.Record) (map[digest.Digest]time.Time, error) {
	if c.query.by == index.SortCreated.String() {
		return c.of.registry.Made(ctx, c.caller, records)
	}
	within, cancel := context.WithTimeout(ctx, datingTime)
	defer cancel()
	made, err := c.of.registry.Made(within, c.caller, records)
	if err != nil && ctx.Err() == nil {
		registry.Note(ctx, zap.NamedError("notDated", err))
		err = nil
	}
	return made, err
}

// place returns where the entry stands.
func (e taggedEntry) place() tagCursor {
	return tagCursor{e.key, e.Tag}
}

// next returns the parameters of the page behind a place.
func (q *tagQuery) next(last tagCursor) url.Values {
	values := q.filters.Values()
	values.Set(index.ParamSort, q.order())
	values.Set(index.ParamLast, last.encode(q.order()))
	for name, text := range map[string]string{paramFrom: q.from, paramTo: q.to} {
		if text != "" {
			values.Set(name, text)
		}
	}
	return values
}
